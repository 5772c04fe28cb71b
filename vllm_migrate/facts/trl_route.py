"""Which TRL the code comes from and which one it goes to, beside the vLLM it comes from and goes to."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from vllm_migrate.facts.model import Subject
from vllm_migrate.facts.source import pinned
from vllm_migrate.values import dataclass

if TYPE_CHECKING:
    from packaging.version import Version

    from vllm_migrate.facts.loader import FactTable
    from vllm_migrate.facts.model import State
    from vllm_migrate.files.located import Pin


@dataclass(frozen=True, slots=True)
class TrlRoute:
    """From one release of TRL to another.

    Attributes:
        origin: how the source was found: "requirements.txt:3", or "assumed".
    """

    source: Version
    target: Version
    origin: str

    @property
    def is_assumed(self) -> bool:
        """Whether nothing in the project names a release of TRL."""
        return self.origin == "assumed"


@lru_cache(maxsize=8)
def trl_route(
    pins: tuple[tuple[str, Pin], ...], source: Version, target: Version, facts: FactTable
) -> TrlRoute:
    """The way from the TRL of the code to one that takes the target's vLLM.

    The source is the lowest TRL that the project's pins allow; without one, the first release whose lowest
    vLLM comes nearest to the one the code was written for. The target is the newest range of releases that
    takes the target's vLLM, by the first of them; the newest known where none claims to. Ranges without an
    upper end claim nothing: they were written before later vLLM releases.

    Args:
        pins: requirements with the file (and line) they stand in.
        source: the vLLM that the code comes from.
        target: the vLLM it goes to.
        facts: the tables.
    """
    ranges = _ranges(facts)
    found = pinned(pins, ("trl",))
    began, origin = found or (_nearest(ranges, source), "assumed")
    takes = [since for since, state in ranges if "<" in state.holds and _takes(state, target)]
    return TrlRoute(began, max(began, takes[-1] if takes else ranges[-1][0]), origin)


def _ranges(facts: FactTable) -> list[tuple[Version, State]]:
    """The first release of each range of TRL releases, and the vLLM they take, oldest first."""
    (fact,) = (fact for fact in facts.about(Subject.BEHAVIOUR) if fact.name == "trl-vllm-versions")
    return [(state.since, state) for state in fact.states if state.since is not None]


def _takes(state: State, version: Version) -> bool:
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415 - slow, and few projects use TRL

    return SpecifierSet(state.holds).contains(version)


def _nearest(ranges: list[tuple[Version, State]], version: Version) -> Version:
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415 - as above
    from packaging.version import Version  # noqa: PLC0415 - as above

    lowest = [
        (
            max(Version(part.version) for part in SpecifierSet(state.holds) if part.operator in (">=", "==")),
            since,
        )
        for since, state in ranges
        if _takes(state, version)
    ]
    if not lowest:
        return ranges[0][0] if version < Version("0.8") else ranges[-1][0]
    nearest = max(bound for bound, _ in lowest)
    return next(since for bound, since in lowest if bound == nearest)
