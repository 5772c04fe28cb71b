"""Where a name that left its place is now: same bare name elsewhere, ranked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vllm_migrate.facts.surface.codec import last_index
from vllm_migrate.facts.surface.model import UNSEEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.facts.surface.lookup import Surface
    from vllm_migrate.facts.surface.store import Store

_KINDS = frozenset({"c", "f", "v"})
"""What a name is defined as: a class, a function, a variable (an alias of a type is one)."""

_ASIDE = frozenset({"benchmarks", "models", "third_party", "platforms", "examples"})
"""Parts of a package nobody is sent to while there is another place."""

_ENOUGH = 0.2
"""Least share of a vanished module's definitions that a module must hold to be named as its successor."""


def where_now(surface: Surface, store: Store, index: int, qualified: str) -> tuple[str, ...]:
    """See `Surface.where_now`."""
    old = last_place(surface, store, index, qualified)
    if old is not None and not old[1]:
        return _modules_now(store, index, old[0], old[2])
    bare = qualified.rpartition(".")[2]
    before = _body(store, old[0], old[1], old[2]) if old is not None else None
    ranked = []
    for module, defined in definitions(surface, store, index, bare):
        here = f"{module}.{bare}"
        if here == qualified or not same_kind(surface, store, index, qualified, defined):
            continue
        alike = _similarity(before, _body(store, *defined, index))
        if alike == 0 and _ASIDE & {*module.split(".")} and not _ASIDE & {*qualified.split(".")}:
            continue  # a model's own class that happens to have the name
        ranked.append((-alike, *distance(module), here != ".".join(defined), here))
    return tuple(entry[-1] for entry in sorted(ranked))


def definitions(
    surface: Surface, store: Store, index: int, bare: str
) -> Iterator[tuple[str, tuple[str, str]]]:
    """The modules users can import a bare name from, each with the (module, name) that defines it."""
    for module in store.names.mentioning(bare):
        value = (store.names.at(module, index) or {}).get(bare)
        if value is None or module.startswith("%"):
            continue
        defined = _definition(surface, module, bare, value)
        if defined is not None:
            yield module, defined


def last_place(surface: Surface, store: Store, index: int, qualified: str) -> tuple[str, str, int] | None:
    """(module, name, release) of the newest release so far that had it; the name is "" for a module."""
    payload = store.names.payload(qualified)
    if payload is not None and not surface.has_module(qualified):
        last = last_index(payload, None, index)
        return (qualified, "", last) if last is not None else None
    module, _, name = qualified.rpartition(".")
    for _ in range(8):
        payload = store.names.payload(module)
        last = None if payload is None else last_index(payload, name, index + 1)
        if last is None:
            return None
        value = (store.names.at(module, last) or {})[name].rstrip("!")
        source, colon, attribute = value.partition(":")
        if not colon or not attribute:
            return module, name, last
        module, name = source, attribute
    return None


def _definition(surface: Surface, module: str, bare: str, value: str) -> tuple[str, str] | None:
    """(module, name) behind a binding users are meant to import, or None for one a module only uses itself.

    Meant are definitions, what `__all__` lists, and what a package takes from its own submodules.
    """
    listed = value.endswith("!")
    source, colon, attribute = value.rstrip("!").partition(":")
    if not colon:
        return None if source == "x" else (module, bare)
    if not attribute:
        return None
    if not listed and not source.startswith(f"{module}."):
        return None
    place = surface.locate(f"{source}.{attribute}")
    if place is None or place.path not in surface.names(place.module):
        return None
    return None if surface.is_foreign(place) else (place.module, place.path)


def same_kind(
    surface: Surface, store: Store, index: int, qualified: str, now: tuple[str, str], *, least: float = 0.0
) -> bool:
    """Whether a definition may be what another name was: a class takes the place of a class alone.

    Args:
        surface: the release to look in.
        store: all releases.
        index: the release's place in it.
        qualified: the name that is gone.
        now: (module, name) of the definition.
        least: how much of their members or parameters they must share, from 0 to 1.

    Returns:
        False where they differ in kind or share less; where no release had the name, only for a `least`.
    """
    old = last_place(surface, store, index, qualified)
    if old is None or not old[1]:
        return not least
    # all releases: the last one often has a variable for what was moved, to warn of it
    tables = (store.names.at(old[0], release) or {} for release in range(old[2] + 1))
    before = {table[old[1]].rstrip("!") for table in tables if old[1] in table}
    after = (store.names.at(now[0], index) or {}).get(now[1], "").rstrip("!")
    if after in _KINDS and before <= _KINDS and after not in before and "c" in {after, *before}:
        return False
    return _similarity(_body(store, *old), _body(store, *now, index)) >= least


def distance(module: str) -> tuple[int, int, int]:
    """How far a module lies from what users should import: set aside, private, deep."""
    parts = module.split(".")
    private = sum(part.startswith("_") for part in parts)
    return (sum(part in _ASIDE for part in parts), private, len(parts))


def _body(store: Store, module: str, path: str, index: int) -> frozenset[str] | None:
    """What a class or function is recognised by: its members, or its parameters."""
    shapes = store.shapes.at(module, index) or {}
    shape: list[Any] | None = shapes.get(path)
    if shape is None:
        return None
    if shape[0] == "f":
        return frozenset(p.partition("=")[0] for p in shape[1])
    prefix = f"{path}."
    own = {key[len(prefix) :] for key in shapes if key.startswith(prefix)}
    return frozenset({*own, *shape[4], *(f.partition("=")[0] for f in shape[3])})


def _similarity(before: frozenset[str] | None, after: frozenset[str] | None) -> float:
    """Shared members over all members, in tenths; 0 where one side is unknown."""
    if before is None or after is None:
        return 0.0
    if not before and not after:
        return 1.0
    return round(len(before & after) / len(before | after), 1)


def _modules_now(store: Store, index: int, module: str, last: int) -> tuple[str, ...]:
    """Modules that hold most of what a vanished one defined."""
    defined = [n for n, v in (store.names.at(module, last) or {}).items() if v.rstrip("!") in {"f", "c"}]
    held: dict[str, int] = {}
    for name in defined:
        for other in _definers(store, index, name):
            held[other] = held.get(other, 0) + 1
    enough = [
        (-count, *distance(other), other) for other, count in held.items() if count / len(defined) >= _ENOUGH
    ]
    return tuple(entry[-1] for entry in sorted(enough))


def _definers(store: Store, index: int, name: str) -> Iterator[str]:
    for other in store.names.mentioning(name):
        table = store.names.at(other, index) or {}
        if table.get(name, "").rstrip("!") in {"f", "c"} and UNSEEN not in table:
            yield other
