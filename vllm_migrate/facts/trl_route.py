"""Which TRL the code comes from and which one it goes to, beside the vLLM it comes from and goes to."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from vllm_migrate.facts.model import Subject
from vllm_migrate.facts.source import pinned
from vllm_migrate.files.located import Certainty
from vllm_migrate.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.version import Version

    from vllm_migrate.facts.loader import FactTable
    from vllm_migrate.facts.model import State
    from vllm_migrate.files.file_facts import FileFacts
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


_CONFIGS = ("trl.GRPOConfig", "trl.RLOOConfig", "trl.OnlineDPOConfig")
_WITHOUT_EFFECT_SINCE = {"vllm_device": "0.16", "vllm_dtype": "0.16", "vllm_max_model_len": "0.16"}
"""Arguments that some releases still took, with a warning, and didn't read: nothing was written for those."""

_OF_TRANSFORMERS = frozenset(
    {
        *("bf16", "gradient_accumulation_steps", "gradient_checkpointing", "learning_rate", "logging_steps"),
        *("lr_scheduler_kwargs", "per_device_train_batch_size", "remove_unused_columns"),
        *("torch_empty_cache_steps", "use_liger_kernel"),
    }
)
"""Arguments that some releases declare once more: transformers' TrainingArguments gives them to all."""


@lru_cache(maxsize=8)
def trl_route(
    pins: tuple[tuple[str, Pin], ...],
    source: Version,
    target: Version,
    facts: FactTable,
    passed: frozenset[tuple[str, str]] = frozenset(),
) -> TrlRoute:
    """The way from the TRL of the code to one that takes the target's vLLM.

    The source is the lowest TRL that the project's pins allow; without one, the first release whose lowest
    vLLM comes nearest to the one the code was written for, or the one nearest to that which has all the
    arguments that the code gives to configurations. The target is the newest range of releases that
    takes the target's vLLM, by the first of them; the newest known where none claims to. Ranges without an
    upper end claim nothing: they were written before later vLLM releases.

    Args:
        pins: requirements with the file (and line) they stand in.
        source: the vLLM that the code comes from.
        target: the vLLM it goes to.
        facts: the tables.
        passed: what the code gives to TRL's classes, as `passed_to_trl` collects it.
    """
    ranges = _ranges(facts)
    found = pinned(pins, ("trl",))
    began, origin = found or (_having_all(passed, _nearest(ranges, source)), "assumed")
    takes = [since for since, state in ranges if "<" in state.holds and _takes(state, target)]
    return TrlRoute(began, max(began, takes[-1] if takes else ranges[-1][0]), origin)


def passed_to_trl(files: Iterable[FileFacts]) -> frozenset[tuple[str, str]]:
    """The arguments that the code of files gives to configurations of trainers that generate, by class."""
    return frozenset(
        (argument.owner, argument.name)
        for file in files
        for argument in file.arguments
        if argument.owner in _CONFIGS and argument.certainty is Certainty.CERTAIN and not argument.dead
    )


def _having_all(passed: frozenset[tuple[str, str]], assumed: Version) -> Version:
    """The release nearest to the assumed one that has all the arguments; that one itself where none has."""
    if not passed:
        return assumed
    from packaging.version import Version  # noqa: PLC0415 - as below

    # Imported here: few projects use TRL, and most of them pin it.
    from vllm_migrate.facts.surface.store import known_versions, load_surface  # noqa: PLC0415 - see above

    surfaces = {version: load_surface("trl", str(version)) for version in known_versions("trl")}
    ever = {
        config: next(
            (surface.ever_taken(config) for surface in reversed(surfaces.values()) if surface.has(config)),
            frozenset(),
        )
        for config, _ in passed
    }
    asked = [one for one in passed if one[1] in ever[one[0]] and one[1] not in _OF_TRANSFORMERS]
    having = [
        version
        for version, surface in surfaces.items()
        if all(
            surface.takes(config, name, listed=True)
            and not (name in _WITHOUT_EFFECT_SINCE and version >= Version(_WITHOUT_EFFECT_SINCE[name]))
            for config, name in asked
        )
    ]
    before = [version for version in having if version.release[:2] <= assumed.release[:2]]
    if not having or (before and before[-1].release[:2] == assumed.release[:2]):
        return assumed
    return before[-1] if before else having[0]


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
