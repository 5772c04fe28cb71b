"""Every row of the tables against the APIs of the released wheels.

What a row calls gone must be missing in every release it says so for, must have been there in the release
before, and what it puts in its place must exist there.
"""

from __future__ import annotations

import re
from functools import cache

import pytest
from packaging.version import Version

from vllm_migrate.facts.loader import load_facts
from vllm_migrate.facts.model import Effect, Engine, Fact, Remedy, State, Subject
from vllm_migrate.facts.surface import Surface, known_versions, load_surface

GONE = {"gone", "nowhere", "ignored"}
THERE = {"accepted", "read", "there"}
LAST_V0 = Version("0.10.2")
CHECKED = (
    Subject.IMPORT,
    Subject.ENGINE_ARGUMENT,
    Subject.SAMPLING_ARGUMENT,
    Subject.METHOD_ARGUMENT,
    Subject.VARIABLE,
    Subject.FLAG,
    Subject.TRL_ARGUMENT,
)
GUIDED = ("vllm.sampling_params.GuidedDecodingParams", "vllm.sampling_params.StructuredOutputsParams")
TRL_CONFIGS = ("trl.GRPOConfig", "trl.OnlineDPOConfig", "trl.RLOOConfig")


@cache
def surfaces(package: str) -> tuple[Surface, ...]:
    return tuple(load_surface(package, str(version)) for version in known_versions(package))


def version_of(surface: Surface) -> Version:
    return Version(surface.release.version)


def exists(fact: Fact, name: str, surface: Surface) -> bool:
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
            method, _, argument = name.partition(".")
            return argument in (surface.parameters(f"vllm.LLM.{method}") or ())
        case Subject.VARIABLE:
            return name in surface.variables
        case Subject.FLAG:
            return surface.has_flag(f"--{name}")
        case Subject.TRL_ARGUMENT:
            return any(name in (surface.parameters(config) or ()) for config in TRL_CONFIGS)
        case _:
            raise AssertionError(fact.subject)


def has_import(name: str, surface: Surface) -> bool:
    module, _, last = name.rpartition(".")
    return surface.has_module(name) or surface.has_name(module, last)


def replacement_exists(fact: Fact, state: State, surface: Surface) -> bool:
    if fact.subject is Subject.IMPORT or state.remedy is Remedy.MOVE:
        return has_import(state.to, surface)
    if fact.subject is Subject.VARIABLE:  # an argument of the engine takes a variable's place
        return state.to.partition("=")[0] in (surface.parameters("vllm.EngineArgs") or ())
    return exists(fact, state.to.partition("=")[0], surface)


def engines_at(version: Version) -> tuple[Engine, ...]:
    return (Engine.V0, Engine.V1) if version <= LAST_V0 else (Engine.V1,)


def calls_gone(fact: Fact, state: State) -> bool:
    """Whether the row says that its name is missing; an import that moved is missing where it was."""
    return state.holds in GONE or (fact.subject is Subject.IMPORT and state.remedy is Remedy.MOVE)


def contradictions(fact: Fact) -> list[str]:
    found = []
    row = surfaces(fact.package)
    holders = {version_of(surface) for surface in row if exists(fact, fact.name, surface)}
    for surface in row:
        version = version_of(surface)
        for state in {id(s): s for e in engines_at(version) if (s := fact.at(version, e))}.values():
            if calls_gone(fact, state) and version in holders:
                found.append(f"{fact.id}: {fact.name} is still there in {version}")
            if state.holds in THERE and holders and version > max(holders):
                found.append(f"{fact.id}: {fact.name} went for good before {version}")
            if state.to and not replacement_exists(fact, state, surface):
                found.append(f"{fact.id}: {state.to} does not exist in {version}")
            for written in state.values.values():
                found.extend(
                    f"{fact.id}: {argument} does not exist in {version}"
                    for argument in re.findall(r"(?:^|, )(\w+)=", written)
                    if not exists(fact, argument, surface)
                )
    leaving = min((s.since for s in fact.states if s.since and calls_gone(fact, s)), default=None)
    earlier = [surface for surface in row if leaving and version_of(surface) < leaving]
    if earlier and version_of(earlier[-1]) not in holders:
        last = earlier[-1].release.version
        found.append(f"{fact.id}: {fact.name} is said to go in {leaving} and is missing in {last} already")
    return found


@pytest.mark.parametrize("subject", CHECKED, ids=lambda subject: subject.value)
def test_what_a_row_calls_gone_is_gone_and_was_there(subject: Subject) -> None:
    facts = list(load_facts().about(subject))
    assert facts
    assert [line for fact in facts for line in contradictions(fact)] == []


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
