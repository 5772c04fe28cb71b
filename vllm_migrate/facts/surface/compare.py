"""What the target lacks: one question put to the API of every release that bears on the answer."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from packaging.version import Version

from vllm_migrate.facts.surface.store import known_versions, load_surface

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from vllm_migrate.facts.surface.lookup import Surface


_STAYED = frozenset({"vllm.LLM", "vllm.EngineArgs", "vllm.AsyncEngineArgs", "vllm.SamplingParams"})
"""Classes that every known release defines in the same module."""


class Absence:
    """Something the target doesn't have. What other releases have is looked up when it is asked for."""

    def __init__(self, comparison: Comparison, exists: Callable[[Surface], bool]) -> None:
        self._comparison = comparison
        self._exists = exists

    @cached_property
    def last(self) -> str:
        """The newest release before the target that had it, "" where none did."""
        return next((v for v, surface in self._comparison.earlier() if self._exists(surface)), "")

    @cached_property
    def later(self) -> str:
        """The first release after the target that has it, "" where none does."""
        return next((v for v, surface in self._comparison.later() if self._exists(surface)), "")


class Comparison:
    """The API of a target beside that of all other releases.

    Attributes:
        package: "vllm" or "trl".
        target: the version gone to.
        surface: the API of the extracted release nearest to it.
        first: the oldest release whose API is known; what older ones had isn't.
    """

    def __init__(self, package: str, target: Version) -> None:
        self.package = package
        self.target = target
        known = known_versions(package)
        self.first = known[0].base_version
        self._before = tuple(v for v in known if v < target)
        self._after = tuple(v for v in known if v > target)
        exact = target if target in known else None
        nearest = exact or (self._before[-1] if self._before else self._after[0])
        self._surfaces: dict[Version, Surface] = {}
        self.surface = self._load(nearest)
        # Between two extracted releases only what both lack is lacking for sure.
        unsure = () if exact else (*self._before[-1:], *self._after[:1])
        self._bearing = (self.surface, *(self._load(v) for v in unsure if v != nearest))
        self._known: dict[Hashable, Absence | None] = {}

    # Each says what is known of something the target lacks; None where the target has it, or may have it.

    def module(self, name: str) -> Absence | None:
        """A module."""
        return self._absence(("module", name), lambda surface: surface.has_module(name))

    def imported(self, module: str, name: str) -> Absence | None:
        """A name imported from a module."""
        return self._absence(("import", module, name), lambda surface: surface.has_name(module, name))

    def name(self, qualified: str) -> Absence | None:
        """A module, a name, or a method or field of a class."""
        return self._absence(("name", qualified), lambda surface: surface.has(qualified))

    def member(self, owners: tuple[str, ...], name: str) -> Absence | None:
        """A method or field that none of some classes has."""
        return self._absence(
            ("member", owners, name),
            lambda surface: any(surface.has(f"{owner}.{name}") for owner in owners),
        )

    def parameter(self, callees: tuple[str, ...], name: str) -> Absence | None:
        """A keyword that none of some functions, methods or classes takes.

        With several, the `**kwargs` of one is what it hands on to another.
        """
        listed = len(callees) > 1
        if _STAYED.issuperset(callees) and not any(
            name in self.surface.ever_taken(callee) for callee in callees
        ):
            return Absence(self, lambda _: False)
        return self._absence(
            (callees, name),
            lambda surface: any(surface.takes(callee, name, listed=listed) for callee in callees),
        )

    def variable(self, name: str) -> Absence | None:
        """An environment variable."""
        return self._absence(("variable", name), lambda surface: name in surface.variables)

    def flag(self, flag: str) -> Absence | None:
        """A flag of the server, dashes included. The start of one is enough for its parser."""
        whole = flag.replace("_", "-")
        return self._absence(
            ("flag", flag),
            lambda surface: surface.has_flag(flag) or any(one.startswith(whole) for one in surface.flags),
        )

    def earlier(self) -> Iterator[tuple[str, Surface]]:
        """The releases before the target, newest first."""
        return ((str(v), self._load(v)) for v in reversed(self._before))

    def later(self) -> Iterator[tuple[str, Surface]]:
        """The releases after the target, oldest first."""
        return ((str(v), self._load(v)) for v in self._after)

    def at(self, version: str) -> Surface:
        """The API of a release; of the oldest or newest known one where it lies outside of those."""
        known = known_versions(self.package)
        return self._load(min(max(Version(version), known[0]), known[-1]))

    def after(self, version: str) -> Surface:
        """The API of the known release that followed one, or of the target where that came next."""
        following = [v for v in self._before if v > Version(version)]
        return self._load(following[0]) if following else self.surface

    def _load(self, version: Version) -> Surface:
        if version not in self._surfaces:
            self._surfaces[version] = load_surface(self.package, str(version))
        return self._surfaces[version]

    def _absence(self, key: Hashable, exists: Callable[[Surface], bool]) -> Absence | None:
        if key not in self._known:
            present = any(exists(surface) for surface in self._bearing)
            self._known[key] = None if present else Absence(self, exists)
        return self._known[key]


@lru_cache(maxsize=8)
def comparison(package: str, target: Version) -> Comparison:
    """The comparison with one target, made once.

    Raises:
        FactsError: on a package whose surfaces are not shipped.
    """
    return Comparison(package, target)
