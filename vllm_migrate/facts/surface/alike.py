"""What may have taken a name's place where nothing has the same name: other spellings, longer names.

All of it is likeness of names; that one does what the other did is for whoever reads it to see.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.facts.surface.moved import definitions, distance, last_place, same_kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vllm_migrate.facts.surface.lookup import Surface
    from vllm_migrate.facts.surface.store import Store

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_LEAST = 6
"""Letters a name needs for another spelling of it to say anything."""
_SHORT = 3
"""Letters up to which a word's last "s" is no plural (`gas`, `bus`)."""
_ENOUGH = 4
"""Longer names worth listing; more of them would be a family, not a successor."""
_SAME = 0.5
"""Least share of members that makes a class of another number the same class."""
_ASKING = frozenset({"are", "count", "do", "get", "has", "is", "num", "number", "of"})
"""Words of a name that say how something is asked for, not what."""
_OF_SETTINGS = frozenset({"enable", "use", "vllm"})
"""Words that names of settings have or haven't, whatever they set."""


def words(name: str) -> list[str]:
    """The words of a name in lower case: `LoRARequest` and `lo_rarequest` differ here, not in `plain`."""
    return [word.lower() for word in _WORD.findall(name)]


def plain(name: str) -> str:
    """A name without case, underscores and plurals: `token_inputs` and `tokens_input` are one."""
    return "".join(word[:-1] if _is_plural(word) else word for word in words(name))


def _is_plural(word: str) -> bool:
    return len(word) > _SHORT and word.endswith("s") and not word.endswith("ss")


def same_spelling(name: str, others: Iterable[str]) -> tuple[str, ...]:
    """Those of some names that differ from one in underscores, case of letters or plurals alone."""
    wanted = plain(name)
    return tuple(other for other in others if other != name and plain(other) == wanted and wanted)


def same_work(name: str, others: Iterable[str]) -> tuple[str, ...]:
    """Those of some names that speak of the same: `has_unfinished_requests`, `get_num_unfinished_requests`.

    They have the same words but for those that only say how it is asked for. One word says too little.
    """
    wanted = _matter(name)
    return tuple(other for other in others if other != name and len(wanted) > 1 and _matter(other) == wanted)


def same_setting(name: str, others: Iterable[str]) -> tuple[str, ...]:
    """Those of some settings with all words of another or all but a few of them: longer and shorter names.

    `VLLM_USE_AITER_UNIFIED_ATTENTION` and `VLLM_ROCM_USE_AITER_UNIFIED_ATTENTION`. One word in common says
    too little.
    """
    wanted = set(words(name)) - _OF_SETTINGS
    found = []
    for other in others:
        own = set(words(other)) - _OF_SETTINGS
        if other != name and min(len(own), len(wanted)) > 1 and (own <= wanted or wanted <= own):
            found.append((len(own ^ wanted), other))
    return tuple(other for _, other in sorted(found))


def _matter(name: str) -> list[str]:
    return [word for word in words(name) if word not in _ASKING]


def spelled_now(surface: Surface, store: Store, index: int, qualified: str) -> tuple[str, ...]:
    """See `Surface.spelled_now`."""
    owner, _, bare = qualified.rpartition(".")
    wanted = plain(bare)
    if len(wanted) < _LEAST:
        return ()
    beside = _beside(surface, store, index, qualified)
    ranked = []
    for name in same_spelling(bare, store.names.spelled(bare)):
        if _is_class(name) != _is_class(bare) or name.startswith("_") or name in beside:
            continue
        # a plural makes another class; only what it is made of tells that it's the same one
        least = _SAME if _is_class(name) and _letters(name) != _letters(bare) else 0.0
        for module, defined in definitions(surface, store, index, name):
            if not same_kind(surface, store, index, qualified, defined, least=least):
                continue
            known = surface.parameters(".".join(defined)) is not None
            ranked.append((not known, -_shared(module, owner), *distance(module), f"{module}.{name}"))
    return tuple(entry[-1] for entry in sorted(ranked))


def grown_now(surface: Surface, store: Store, index: int, qualified: str) -> tuple[str, ...]:
    """See `Surface.grown_now`."""
    module, _, bare = qualified.rpartition(".")
    beside = _beside(surface, store, index, qualified)
    if not beside or len(bare) < _LEAST:
        return ()
    found = [
        name
        for name in surface.names(module)
        if name not in beside and (name.startswith(bare) or name.endswith(bare))
    ]
    return tuple(f"{module}.{name}" for name in sorted(found, key=len)) if len(found) <= _ENOUGH else ()


def was_foreign(surface: Surface, store: Store, index: int, qualified: str) -> bool:
    """See `Surface.was_foreign`."""
    old = last_place(surface, store, index, qualified)
    if old is None or not old[1]:
        return False
    return bool((store.names.at(old[0], old[2]) or {}).get(old[1], "").rstrip("!") == "x")


def module_behind(surface: Surface, store: Store, index: int, qualified: str) -> str:
    """See `Surface.module_behind`."""
    old = last_place(surface, store, index, qualified)
    value = (store.names.at(old[0], old[2]) or {}).get(old[1], "") if old is not None and old[1] else ""
    source, colon, attribute = value.rstrip("!").partition(":")
    return source if colon and not attribute and surface.has_module(source) else ""


def _beside(surface: Surface, store: Store, index: int, qualified: str) -> frozenset[str]:
    """The names that were there together with one, itself included: none of them took its place."""
    old = last_place(surface, store, index, qualified)
    if old is None or not old[1]:
        return frozenset()
    module = qualified.rpartition(".")[0]
    return frozenset({*(store.names.at(module, old[2]) or {}), *(store.names.at(old[0], old[2]) or {})})


def _is_class(name: str) -> bool:
    return name.lstrip("_")[:1].isupper()


def _letters(name: str) -> str:
    return name.replace("_", "").lower()


def _shared(module: str, owner: str) -> int:
    """How many packages two modules have in common from the top."""
    count = 0
    for one, other in zip(module.split("."), owner.split("."), strict=False):
        if one != other:
            break
        count += 1
    return count
