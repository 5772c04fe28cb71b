"""Every row of the tables against the APIs of the released wheels.

What a row calls gone must be missing in every release it says so for, must have been there in the release
before, and what it puts in its place must exist there. What it calls absent must not be there yet. Rows that
no API can decide say why, by a reason of a closed set.
"""

from __future__ import annotations

import re
from collections import Counter
from enum import Enum
from functools import cache

import pytest
from packaging.version import Version

from vllm_migrate.facts.loader import load_facts
from vllm_migrate.facts.model import Effect, Engine, Fact, Remedy, State, Subject
from vllm_migrate.facts.surface import Surface, known_versions, load_surface

GONE = {"gone", "nowhere", "ignored"}
ABSENT = "absent"
THERE = {"accepted", "read", "there"}
LAST_V0 = Version("0.10.2")
GUIDED = ("vllm.sampling_params.GuidedDecodingParams", "vllm.sampling_params.StructuredOutputsParams")
TRL_CONFIGS = ("trl.GRPOConfig", "trl.OnlineDPOConfig", "trl.RLOOConfig")
V1_CLASSES = {
    "LLMEngine": "vllm.v1.engine.llm_engine.LLMEngine",
    "AsyncLLMEngine": "vllm.v1.engine.async_llm.AsyncLLM",
}
CLASSES = {
    "CompilationConfig": "vllm.config.CompilationConfig",
    "LlamaForCausalLM": "vllm.model_executor.models.llama.LlamaForCausalLM",
    "LogitsProcessor": "vllm.model_executor.layers.logits_processor.LogitsProcessor",
    "LoRARequest": "vllm.lora.request.LoRARequest",
}
DEFAULTS = {
    "gpu-memory-utilization": ("vllm.LLM", "gpu_memory_utilization", {}),
    "generation-config": ("vllm.AsyncEngineArgs", "generation_config", {"vllm": "None", "auto": "'auto'"}),
    "top-k": ("vllm.SamplingParams", "top_k", {}),
}


class Undecided(Enum):
    """Why an API can't decide a row."""

    RUNS = "it is about what runs, not about what is there"
    COMPUTED = "the default is computed when the engine starts"
    INSIDE = "it is inside a running engine"
    CONTENT = "it is about what is in there, not about whether it is there"
    VALUE = "it is about a value, which signatures don't list"


def undecided(fact: Fact) -> Undecided | None:
    """Why no API can decide the row; None where one can."""
    if fact.subject is Subject.BEHAVIOUR:
        return Undecided.RUNS
    if fact.subject is Subject.ARGUMENT_VALUE:
        return Undecided.VALUE
    if fact.subject is Subject.DEFAULT and fact.name not in DEFAULTS:
        return Undecided.COMPUTED
    if fact.subject is Subject.ATTRIBUTE:
        if fact.name[:1].islower():
            return Undecided.INSIDE
        if not any(state.holds in GONE | THERE for state in fact.states):
            return Undecided.CONTENT
    return None


DECIDED = tuple(fact for fact in load_facts().facts if undecided(fact) is None)
SUBJECTS = tuple(dict.fromkeys(fact.subject for fact in DECIDED))


@cache
def surfaces(package: str) -> tuple[Surface, ...]:
    return tuple(load_surface(package, str(version)) for version in known_versions(package))


def version_of(surface: Surface) -> Version:
    return Version(surface.release.version)


def class_named(name: str, engine: str) -> str:
    """The class a row means, which is another one for each engine."""
    if engine == "v1" and name in V1_CLASSES:
        return V1_CLASSES[name]
    return CLASSES.get(name, f"vllm.{name}")


def exists(fact: Fact, name: str, surface: Surface, engine: str = "any") -> bool:
    """Whether something of the fact's kind is there."""
    match fact.subject:
        case Subject.IMPORT:
            return has_import(name, surface)
        case Subject.ENGINE_ARGUMENT | Subject.DEFAULT:
            return name in (surface.parameters("vllm.AsyncEngineArgs") or ())
        case Subject.SAMPLING_ARGUMENT if name.startswith("guided."):
            return any(name.partition(".")[2] in (surface.parameters(c) or ()) for c in GUIDED)
        case Subject.SAMPLING_ARGUMENT:
            return name in (surface.parameters("vllm.SamplingParams") or ())
        case Subject.METHOD_ARGUMENT:
            return has_parameter(name, surface)
        case Subject.METHOD | Subject.ATTRIBUTE if name.startswith("vllm."):
            return surface.has(name)
        case Subject.METHOD | Subject.ATTRIBUTE:
            owner, _, member = name.partition(".")
            return surface.has(f"{class_named(owner, engine)}.{member}")
        case Subject.VARIABLE:
            return name in surface.variables
        case Subject.FLAG:
            return surface.has_flag(f"--{name}")
        case Subject.TRL_ARGUMENT:
            return any(name in (surface.parameters(config) or ()) for config in TRL_CONFIGS)
        case _:
            raise AssertionError(fact.subject)


def has_parameter(name: str, surface: Surface) -> bool:
    """Whether "generate.x", "PoolingParams.x" or "LogitsProcessor.forward.x" is a parameter."""
    callee, _, argument = name.rpartition(".")
    if callee[:1].isupper():
        owner, dot, method = callee.partition(".")
        callees = [f"{class_named(owner, 'any')}{dot}{method}"]
    else:
        callees = [f"vllm.{owner}.{callee}" for owner in ("LLM", "LLMEngine", "AsyncLLMEngine")]
    return any(argument in (surface.parameters(one) or ()) for one in callees)


def has_import(name: str, surface: Surface) -> bool:
    module, _, last = name.rpartition(".")
    return surface.has_module(name) or surface.has_name(module, last)


def replacement_exists(fact: Fact, state: State, surface: Surface) -> bool:
    if fact.subject is Subject.IMPORT or state.remedy is Remedy.MOVE:
        return has_import(state.to, surface)
    if fact.subject is Subject.VARIABLE:  # an argument of the engine takes a variable's place
        return state.to.partition("=")[0] in (surface.parameters("vllm.EngineArgs") or ())
    return exists(fact, beside(fact, state.to.partition("=")[0]), surface)


def beside(fact: Fact, name: str) -> str:
    """Another argument of the callable that a row is about, or another member of the class."""
    if fact.subject not in {Subject.METHOD_ARGUMENT, Subject.METHOD}:
        return name
    return f"{fact.name.rpartition('.')[0]}.{name}"


def engines_at(version: Version) -> tuple[Engine, ...]:
    return (Engine.V0, Engine.V1) if version <= LAST_V0 else (Engine.V1,)


def calls_gone(fact: Fact, state: State) -> bool:
    """Whether the row says that its name is missing; an import that moved is missing where it was."""
    return state.holds in GONE or (fact.subject is Subject.IMPORT and state.remedy is Remedy.MOVE)


def contradictions(fact: Fact) -> list[str]:
    if fact.subject is Subject.DEFAULT:
        return wrong_defaults(fact, *DEFAULTS[fact.name])
    if fact.subject is Subject.TRL_DEFAULT:
        owner, _, argument = fact.name.partition(".")
        return wrong_defaults(fact, f"trl.{owner}", argument, {})
    found = []
    row = surfaces(fact.package)
    holders = {
        engine: {version_of(surface) for surface in row if exists(fact, fact.name, surface, engine)}
        for engine in {state.engine for state in fact.states}
    }
    for surface in row:
        version = version_of(surface)
        for state in {id(s): s for e in engines_at(version) if (s := fact.at(version, e))}.values():
            there = holders[state.engine]
            if calls_gone(fact, state) and version in there:
                found.append(f"{fact.id}: {fact.name} is still there in {version}")
            if state.holds == ABSENT and version in there:
                found.append(f"{fact.id}: {fact.name} is there already in {version}")
            if state.holds in THERE and there and version > max(there):
                found.append(f"{fact.id}: {fact.name} went for good before {version}")
            if state.holds in THERE and state.since and version not in there:
                found.append(f"{fact.id}: {fact.name} is not there in {version}")
            if state.to and not replacement_exists(fact, state, surface):
                found.append(f"{fact.id}: {state.to} does not exist in {version}")
            for written in state.values.values():
                found.extend(
                    f"{fact.id}: {argument} does not exist in {version}"
                    for argument in re.findall(r"(?:^|, )(\w+)=", written)
                    if not exists(fact, beside(fact, argument), surface)
                )
    return found + left_before(fact, row, set().union(*holders.values()))


def left_before(fact: Fact, row: tuple[Surface, ...], holders: set[Version]) -> list[str]:
    """What a row says to go in a release must be there in the one before."""
    leaving = min((s.since for s in fact.states if s.since and calls_gone(fact, s)), default=None)
    earlier = [surface for surface in row if leaving and version_of(surface) < leaving]
    if earlier and version_of(earlier[-1]) not in holders:
        last = earlier[-1].release.version
        return [f"{fact.id}: {fact.name} is said to go in {leaving} and is missing in {last} already"]
    return []


def wrong_defaults(fact: Fact, owner: str, argument: str, written: dict[str, str]) -> list[str]:
    """Releases whose signature has another default than the row, and arguments that it takes for granted."""
    found = []
    for surface in surfaces(fact.package):
        state = fact.at(version_of(surface), Engine.V1)
        parameters = surface.parameters(owner)
        if parameters is None:  # the class has left this place
            continue
        default = parameters.get(argument, ABSENT)
        if state is None or written.get(state.holds, state.holds) != default:
            found.append(f"{fact.id}: the default in {surface.release.version} is {default}")
        elif state.remedy is Remedy.SET:
            name = state.to.partition("=")[0] or argument
            if name not in parameters:
                found.append(f"{fact.id}: {name} does not exist in {surface.release.version}")
    return found


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.value)
def test_what_a_row_calls_gone_is_gone_and_was_there(subject: Subject) -> None:
    facts = [fact for fact in DECIDED if fact.subject is subject]
    assert facts
    assert [line for fact in facts for line in contradictions(fact)] == []


def test_every_row_is_decided_or_says_why_not() -> None:
    left = Counter(reason for fact in load_facts().facts if (reason := undecided(fact)))
    assert set(left) == set(Undecided)
    assert len(DECIDED) + sum(left.values()) == len(load_facts().facts)
    assert left[Undecided.COMPUTED] < 8  # a few defaults; behaviour has a subject of its own
    assert left[Undecided.INSIDE] + left[Undecided.CONTENT] < 8


def test_a_row_that_can_be_decided_says_something_that_can() -> None:
    words = GONE | THERE | {ABSENT}
    for fact in DECIDED:
        if fact.subject in (Subject.DEFAULT, Subject.TRL_DEFAULT):
            continue
        assert any(state.holds in words or state.remedy is Remedy.MOVE for state in fact.states), fact.id


def test_what_restores_a_default_exists() -> None:
    for fact in load_facts().about(Subject.DEFAULT):
        for surface in surfaces(fact.package):
            for engine in engines_at(version_of(surface)):
                state = fact.at(version_of(surface), engine)
                if state is not None and state.remedy is Remedy.SET:
                    assert exists(fact, state.to.partition("=")[0], surface), (
                        fact.id,
                        surface.release.version,
                    )


@pytest.mark.parametrize(
    ("states", "complaint"),
    [
        ((State("gone", since=Version("0.8.0")),), "still there in 0.8.5"),
        ((State("gone", since=Version("0.20.0")),), "missing in 0.19.1 already"),
        ((State("accepted"),), "went for good before 0.18.1"),
        (
            (State("gone", since=Version("0.17.1"), remedy=Remedy.RENAME, to="swap_spaces"),),
            "swap_spaces does not exist in 0.18.1",
        ),
        (
            (State("gone", since=Version("0.18.0"), values={"0": "seed=1, no=2"}),),
            "no does not exist in 0.33.0",
        ),
    ],
)
def test_a_wrong_row_is_caught(states: tuple[State, ...], complaint: str) -> None:
    row = Fact("x", "vllm", Subject.ENGINE_ARGUMENT, "swap_space", Effect.CRASH, "safe", "b", "e", states)
    assert [line for line in contradictions(row) if complaint in line]


def test_a_right_row_passes() -> None:
    states = (State("accepted", until=Version("0.18.0")), State("gone", since=Version("0.18.0")))
    row = Fact("x", "vllm", Subject.ENGINE_ARGUMENT, "swap_space", Effect.CRASH, "safe", "b", "e", states)
    assert contradictions(row) == []
