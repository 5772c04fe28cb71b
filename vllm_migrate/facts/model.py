"""What a fact is: what holds for a package and an engine over a range of versions.

A fact is a row of data with one or more states. A finding exists where the state of the source differs from
the state of the target, so a change that came with the engine (raw logprobs) and one that came with a
release (a removed argument) are the same kind of row.
"""

from __future__ import annotations

from dataclasses import field
from enum import Enum
from typing import TYPE_CHECKING

from vllm_migrate.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.version import Version


class Engine(str, Enum):
    """Which engine runs. UNKNOWN is treated as V0, and the output says so."""

    V0 = "v0"
    V1 = "v1"
    UNKNOWN = "unknown"


class Subject(str, Enum):
    """What kind of thing a fact is about."""

    IMPORT = "import"  # a module or a name in one: "vllm.utils.get_open_port"
    ENGINE_ARGUMENT = "engine-argument"  # keyword of LLM / EngineArgs, its flag, its YAML key
    ARGUMENT_VALUE = "argument-value"  # of an engine argument: "quantization=bitsandbytes"
    SAMPLING_ARGUMENT = "sampling-argument"  # field of SamplingParams
    METHOD = "method"  # "LLM.set_tokenizer"
    METHOD_ARGUMENT = "method-argument"  # "generate.prompt_token_ids", "LoRARequest.lora_local_path"
    VARIABLE = "environment-variable"
    FLAG = "flag"  # a server flag with no engine argument behind it
    ATTRIBUTE = "attribute"  # "llm_engine.model_executor"
    DEFAULT = "default"  # what holds when the user says nothing: "logprobs", "prefix-caching"
    BEHAVIOUR = "behaviour"  # what the engine does, whatever the user says
    TRL_ARGUMENT = "trl-argument"
    TRL_DEFAULT = "trl-default"  # "GRPOConfig.temperature"


class Effect(str, Enum):
    """What the change does to a run that is not migrated."""

    CRASH = "crash"
    SILENT = "silent"  # runs on, with a wrong training signal
    DEPRECATED = "deprecated"
    SLOW = "slow"
    NONE = "none"  # it stayed as it was, or only became possible: worth knowing, nothing to repair


class Remedy(str, Enum):
    """What takes the old state's place, seen from the target."""

    NONE = ""
    DROP = "drop"  # nothing: it has no effect any more
    RENAME = "rename"  # State.to is the new name
    MOVE = "move"  # State.to is the new qualified name
    SET = "set"  # State.to is `argument=value`, which restores the old meaning
    MANUAL = "manual"  # a person has to decide; State.to or Fact.advice says what


@dataclass(frozen=True, slots=True)
class State:
    """What holds in `[since, until)` for one engine ("any" where the engine doesn't matter).

    Attributes:
        values: what to write instead where it depends on the value written: its literal as Python writes
            it, to
            `name=value`, or to "" where the argument simply goes. Other values get `remedy`.
    """

    holds: str
    engine: str = "any"
    since: Version | None = None
    until: Version | None = None
    remedy: Remedy = Remedy.NONE
    to: str = ""
    values: Mapping[str, str] = field(default_factory=dict)

    def covers(self, version: Version, engine: Engine) -> bool:
        """Whether this state is the one in force. An unknown engine counts as V0."""
        wanted = "v1" if engine is Engine.V1 else "v0"
        return (
            self.engine in ("any", wanted)
            and (self.since is None or self.since <= version)
            and (self.until is None or version < self.until)
        )


@dataclass(frozen=True, slots=True)
class Fact:
    """One row.

    Attributes:
        id: stable slug, "swap-space".
        subject: what kind of thing, `name` which one.
        effect: on an RL run that is not migrated.
        safety: "safe", "unsafe" or "manual": how its remedy may be applied where the states say there is one.
        precondition: what must hold for that.
        because: one sentence for the user: what changed and why it matters.
        advice: what to write instead, where no edit can say it.
        evidence: where it was seen: release and file.
        audit: whether it moves the log-probabilities of fixed tokens, which the audit measures.
    """

    id: str
    package: str
    subject: Subject
    name: str
    effect: Effect
    safety: str
    because: str
    evidence: str
    states: tuple[State, ...]
    precondition: str = ""
    advice: str = ""
    audit: bool = False

    def at(self, version: Version, engine: Engine) -> State | None:
        """The state in force, or None where the thing did not exist or nothing is known."""
        return next((s for s in self.states if s.covers(version, engine)), None)


@dataclass(frozen=True, slots=True)
class Source:
    """Where the code comes from.

    Attributes:
        origin: how the version was found: "--from", "requirements.txt:3", "assumed".
        engine_origin: how the engine was found.
    """

    package: str
    version: Version
    engine: Engine
    origin: str
    engine_origin: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """Where it goes; always the V1 engine."""

    package: str
    version: Version


@dataclass(frozen=True, slots=True)
class Change:
    """A fact whose state differs between source and target."""

    fact: Fact
    before: State | None
    after: State | None
