"""What one release offers: the questions the backstop asks."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from vllm_migrate.facts.surface.alike import grown_now, module_behind, spelled_now, was_foreign
from vllm_migrate.facts.surface.model import FLAGS, UNSEEN, VARIABLES
from vllm_migrate.facts.surface.moved import where_now

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vllm_migrate.facts.surface.model import Release
    from vllm_migrate.facts.surface.store import Store

_LONGEST_CHAIN = 12
"""Re-exports and base classes followed before giving up; vLLM's longest is 5."""

_OF_A_CONFIG = re.compile(r"^(?:(\w+)\.(\w+)|get_field\((\w+), '(\w+)'\))$")
"""A default that is another class's: `ModelConfig.dtype`, `get_field(ModelConfig, 'dtype')`."""

_HARMLESS_BASES = frozenset(
    {"ABC", "object", "Protocol", "Generic", "Enum", "NamedTuple", "TypedDict", "Struct"}
)
"""Bases of other packages that take no further keywords."""

_NOT_JUDGED = re.compile(r"^vllm\.(_\w*C(_\w+)?|cumem_allocator|(third_party|vllm_flash_attn)(\.\w+)*)$")
"""Compiled and vendored modules, which differ between the wheels for CPU and GPU."""


class Place(NamedTuple):
    """Where something is defined: a module, and a path of names in it ("" is the module itself)."""

    module: str
    path: str


class Surface:
    """The API of one release.

    Qualified names start with a module, public re-exports included: "vllm.LLM.generate" is as good as
    "vllm.entrypoints.llm.LLM.generate".

    Attributes:
        package: "vllm" or "trl".
        release: what the answers come from.
        exact: whether that is the version asked for, or the nearest extracted one before it.
    """

    def __init__(self, package: str, store: Store, index: int, *, exact: bool) -> None:
        self.package = package
        self.release: Release = store.releases[index]
        self.exact = exact
        self._store = store
        self._index = index
        self._seen: dict[Place, tuple[frozenset[str], bool]] = {}
        self._ever: dict[str, frozenset[str]] = {}
        self._taken: dict[tuple[str, bool], tuple[bool, frozenset[str] | None, bool]] = {}

    def has_module(self, name: str) -> bool:
        """Whether a module can be imported. Compiled and vendored modules of the GPU wheel count as there."""
        return self._names(name) is not None or bool(_NOT_JUDGED.match(name))

    def has_name(self, module: str, name: str) -> bool:
        """Whether `from module import name` works: a name bound there, a re-export, or a submodule.

        True for every name of a module whose names can't be seen statically (compiled, vendored, generated).
        """
        names = self._names(module)
        if names is None:
            return bool(_NOT_JUDGED.match(module))
        seen = name in names or UNSEEN in names or (name.startswith("__") and name.endswith("__"))
        return seen or self.has_module(f"{module}.{name}")

    def names(self, module: str) -> tuple[str, ...]:
        """The names a module binds; empty where there is no such module."""
        return tuple(name for name in self._names(module) or () if name != UNSEEN)

    def has(self, qualified: str) -> bool:
        """Whether a module, name, method or field exists.

        True where it can't be known: members of a class with bases in other packages, attributes of values.
        """
        place = self.locate(qualified)
        if place is None:
            return False
        if not place.path or "." not in place.path:
            return True
        owner, _, member = place.path.rpartition(".")
        shape = self._shape(Place(place.module, owner))
        if shape is None or shape[0] != "c":
            return True
        members, whole = self._known_members(Place(place.module, owner))
        return member in members or not whole or member.startswith("__")

    def _known_members(self, place: Place) -> tuple[frozenset[str], bool]:
        if place not in self._seen:
            self._seen[place] = self._members(place)
        return self._seen[place]

    def locate(self, qualified: str) -> Place | None:
        """Where something is defined, through re-exports; None where its module or first name is missing."""
        module, rest = self._split(qualified)
        for _ in range(_LONGEST_CHAIN):
            if not module:
                return None
            if not rest:
                return Place(module, "")
            names = self._names(module) or {}
            value = names.get(rest[0])
            if value is None:
                known = self.has_name(module, rest[0])  # though nobody can say where it is defined
                return Place(module, ".".join(rest)) if known else None
            source, colon, name = value.rstrip("!").partition(":")
            if not colon:
                return Place(module, ".".join(rest))
            following = (source, [*([name] if name else []), *rest[1:]])
            if self._names(source) is None:
                return Place(module, ".".join(rest))  # a compiled or optional module of the package
            module, rest = self._split(".".join([following[0], *following[1]]))
        return None

    def is_foreign(self, place: Place) -> bool:
        """Whether a name is another package's, imported there."""
        return (self._names(place.module) or {}).get(place.path, "").rstrip("!") == "x"

    def parameters(self, qualified: str) -> Mapping[str, str] | None:
        """Parameters of a function, method or constructor in order, with the source of their defaults.

        A parameter without a default maps to ""; "*" and "/" stand where they do in the signature;
        "*args" and "**kwargs" carry their stars. A class answers with its constructor's, fields of its
        bases first. Defaults that are another config class's (`ModelConfig.dtype`) are followed to the
        value. None where there is no such thing or it has no readable signature.
        """
        place = self.locate(qualified)
        if place is None or not place.path:
            return None
        return self._parameters(place)

    def takes(self, qualified: str, keyword: str, *, listed: bool = False) -> bool:
        """Whether a function, method or constructor takes a keyword, or may; one that isn't there takes none.

        Args:
            qualified: of the callable.
            keyword: the argument's name.
            listed: only parameters of that name count, no `**kwargs` and nothing that can't be seen.
        """
        key = (qualified, listed)
        if key not in self._taken:
            names, whole = self._parameter_names(qualified), listed or self.is_complete(qualified)
            self._taken[key] = (self.has(qualified), names, whole)
        there, names, whole = self._taken[key]
        return there and (names is None or keyword in names or not whole)

    def ever_taken(self, qualified: str) -> frozenset[str]:
        """What the constructor of a class took in any release, where the class stayed in its module."""
        if qualified not in self._ever:
            found: set[str] = set()
            for owner in self._lineage(qualified):
                for path in (owner.path, f"{owner.path}.__init__"):
                    for shape in self._store.shapes.variants(owner.module, path):
                        listed = shape[3] if shape[0] == "c" else shape[1] if shape[0] == "f" else ()
                        found.update(parameter.partition("=")[0] for parameter in listed)
            self._ever[qualified] = frozenset(found)
        return self._ever[qualified]

    def _parameter_names(self, qualified: str) -> frozenset[str] | None:
        place = self.locate(qualified)
        found = None if place is None or not place.path else self._parameters(place, defaults=False)
        return None if found is None else frozenset(found)

    def is_complete(self, qualified: str) -> bool:
        """Whether a keyword missing from `parameters` is an error for sure: no `**kwargs`, no unseen base."""
        parameters = self._parameter_names(qualified)
        if parameters is None or any(name.startswith("**") for name in parameters):
            return False
        place = self.locate(qualified)
        shape = None if place is None else self._shape(place)
        if place is None:
            return False
        if shape is None:
            return "." in place.path  # a method that a base of the same package defines
        if shape[0] != "c" or self._constructor(place) is not None:
            return True
        return all(self._is_known_base(owner, base) for owner, base in self._bases(place))

    def methods(self, qualified: str) -> frozenset[str]:
        """Public methods and properties of a class, inherited ones of the same package included."""
        return frozenset(
            name
            for owner in self._lineage(qualified)
            for name in self._methods_of(owner)
            if not name.startswith("_")
        )

    def classes_with(self, method: str) -> tuple[str, ...]:
        """Classes that define a method of this name, whatever module they are in."""
        return tuple(
            f"{module}.{path}"
            for module, path in self._store.shapes.holders(method)
            if self._shape(Place(module, f"{path}.{method}")) is not None
        )

    def defined(self, qualified: str) -> frozenset[str]:
        """Everything a class itself has once it is defined, private methods included, special ones not.

        That is what `hasattr(class, name)` sees of it statically: methods and properties, its bases' of the
        same package too, but no attribute that only instances get.
        """
        return frozenset(
            name
            for owner in self._lineage(qualified)
            for name in self._methods_of(owner)
            if not name.startswith("__")
        )

    def members(self, qualified: str) -> frozenset[str]:
        """Attributes of a class that static reading sees: methods, fields, class and instance attributes."""
        place = self.locate(qualified)
        return self._members(place)[0] if place is not None else frozenset()

    @cached_property
    def variables(self) -> Mapping[str, str]:
        """Environment variables that are read, with their default's source ("" where none is declared)."""
        return self._names(VARIABLES) or {}

    @cached_property
    def flags(self) -> Mapping[str, str]:
        """Flags of `vllm serve` with dashes ("--max-model-len", "-tp"), and the argument each one sets."""
        return self._names(FLAGS) or {}

    def has_flag(self, flag: str) -> bool:
        """Whether `vllm serve` takes a flag, as its parser reads it.

        Underscores count as dashes, "--flag=value" is "--flag", "--config.key" is "--config", "-O3" is "-O".
        """
        name = flag.partition("=")[0].partition(".")[0].replace("_", "-")
        return name in self.flags or (not name.startswith("--") and name.rstrip("0123456789") in self.flags)

    def where_now(self, qualified: str) -> tuple[str, ...]:
        """Where something of the same bare name is in this release, best first; empty where nowhere.

        A module answers with the modules that hold most of what it defined in its last release.
        """
        return where_now(self, self._store, self._index, qualified)

    def spelled_now(self, qualified: str) -> tuple[str, ...]:
        """Where a name that differs in underscores, case or plurals alone is, best first.

        `LoadLoraAdapterRequest` answers with `LoadLoRAAdapterRequest`; a class never with a function, no name
        with one that was there beside it, or with a private one.
        """
        return spelled_now(self, self._store, self._index, qualified)

    def grown_now(self, qualified: str) -> tuple[str, ...]:
        """Names that came into a module after this one left it, and that begin or end with it."""
        return grown_now(self, self._store, self._index, qualified)

    def module_behind(self, qualified: str) -> str:
        """The module that a name in another module was, where this release has it: "vllm.envs", else ""."""
        return module_behind(self, self._store, self._index, qualified)

    def was_foreign(self, qualified: str) -> bool:
        """Whether the last release that had a name had it from another package, as `nn` from torch."""
        return was_foreign(self, self._store, self._index, qualified)

    # What follows reads one release's tables; `moved` uses it too.

    def _names(self, module: str) -> Mapping[str, str] | None:
        return self._store.names.at(module, self._index)

    def _shape(self, place: Place) -> list[Any] | None:
        return (self._store.shapes.at(place.module, self._index) or {}).get(place.path)

    def _split(self, qualified: str) -> tuple[str, list[str]]:
        """The longest module a qualified name starts with, and the rest."""
        parts = qualified.split(".")
        for length in range(len(parts), 0, -1):
            module = ".".join(parts[:length])
            if self._names(module) is not None:
                return module, parts[length:]
        return "", parts

    def _parameters(self, place: Place, *, defaults: bool = True) -> dict[str, str] | None:
        shape = self._shape(place)
        if shape is None:
            owner, _, method = place.path.rpartition(".")
            if not owner:
                return None
            for ancestor in self._lineage_of(Place(place.module, owner)):
                found = self._shape(Place(ancestor.module, f"{ancestor.path}.{method}"))
                if found is not None:
                    return self._listed(ancestor, found, defaults=defaults)
            return None
        if shape[0] != "c":
            return self._listed(place, shape, defaults=defaults)
        constructor = self._constructor(place)
        if constructor is not None:
            return self._listed(constructor, self._shape(constructor) or ["f", []], defaults=defaults)
        fields: dict[str, str] = {}
        lineage = self._lineage_of(place)
        inherited = any((self._shape(p) or ["", [], ""])[2] == "b" for p in lineage)
        for ancestor in reversed(lineage):
            body = self._shape(ancestor)
            if body is not None and (body[2] or inherited):
                fields.update(self._listed(ancestor, ["f", body[3]], defaults=defaults) or {})
        return fields

    def _listed(self, place: Place, shape: list[Any], *, defaults: bool) -> dict[str, str] | None:
        if shape[0] != "f":
            return None
        listed = {}
        for parameter in shape[1]:
            name, _, default = parameter.partition("=")
            listed[name] = self._default(place.module, default) if defaults else ""
        return listed

    def _default(self, module: str, default: str) -> str:
        for _ in range(_LONGEST_CHAIN):
            match = _OF_A_CONFIG.match(default)
            place = self.locate(f"{module}.{match[1] or match[3]}") if match else None
            if match is None or place is None:
                break
            fields = [
                f for owner in self._lineage_of(place) for f in (self._shape(owner) or [0, 0, 0, ()])[3]
            ]
            wanted = match[2] or match[4]
            found = next((f.partition("=")[2] for f in fields if f.partition("=")[0] == wanted), "")
            if not found:
                break
            module, default = place.module, found
        return default

    def _constructor(self, place: Place) -> Place | None:
        """The `__init__` a class runs, or None where its fields make one."""
        for owner in self._lineage_of(place):
            if self._shape(Place(owner.module, f"{owner.path}.__init__")) is not None:
                return Place(owner.module, f"{owner.path}.__init__")
            if (self._shape(owner) or ["", [], ""])[2]:
                return None
        return None

    def _lineage(self, qualified: str) -> tuple[Place, ...]:
        place = self.locate(qualified)
        return self._lineage_of(place) if place is not None else ()

    def _lineage_of(self, place: Place) -> tuple[Place, ...]:
        """A class and its bases of the same package, nearest first, each once."""
        found: dict[Place, None] = {}
        waiting = [place]
        while waiting:
            current = waiting.pop(0)
            shape = self._shape(current)
            if current in found or shape is None or shape[0] != "c":
                continue
            found[current] = None
            for base in shape[1]:
                at = self.locate(f"{current.module}.{base.partition('[')[0]}")
                if at is not None and at.path:
                    waiting.append(at)
        return tuple(found)

    def _bases(self, place: Place) -> Iterator[tuple[Place, str]]:
        for owner in self._lineage_of(place):
            for base in (self._shape(owner) or ["", ()])[1]:
                yield owner, base.partition("[")[0]

    def _is_known_base(self, owner: Place, base: str) -> bool:
        at = self.locate(f"{owner.module}.{base}")
        if at is not None and self._shape(at) is not None:
            return True
        return base.rpartition(".")[2] in _HARMLESS_BASES

    def _methods_of(self, owner: Place) -> Iterator[str]:
        prefix = f"{owner.path}."
        for path, shape in (self._store.shapes.at(owner.module, self._index) or {}).items():
            if path.startswith(prefix) and "." not in path[len(prefix) :] and shape[0] != "c":
                yield path[len(prefix) :]

    def _members(self, place: Place) -> tuple[frozenset[str], bool]:
        """A class's attributes, and whether no base of another package can add to them."""
        found: set[str] = set()
        for owner in self._lineage_of(place):
            found.update(self._methods_of(owner))
            _, _, _, fields, others = self._shape(owner) or ["c", [], "", [], []]
            found.update(others)
            found.update(f.partition("=")[0] for f in fields)
        whole = all(self._is_known_base(owner, base) for owner, base in self._bases(place))
        return frozenset(found - {"*"}), whole
