"""From rollouts to the split: what is right comes from the reference answers, never from the reward."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vllm_migrate.audit.shift.parts import FROM_WEIGHTS, split_of
from vllm_migrate.trace.model import Prompt, Rollout

PROMPTS = tuple(Prompt(n, f"What is {n}+{n}?", (1,), {"answer": str(2 * n)}) for n in range(10, 40))


def rollouts(*, right: int, cut: int = 0, words: int = 4) -> list[Rollout]:
    """Four a prompt, of which so many are right and so many cut off."""
    found = []
    for place, prompt in enumerate(PROMPTS):
        for sample in range(4):
            answer = int(prompt.columns["answer"]) + (0 if sample < right else 1 + sample)
            text = "so " * words + f"Answer: {answer}"
            ended = "stop"
            if sample >= 4 - cut:
                text, ended = "so " * words, "length"
            ids = tuple(range(len(text.split())))
            found.append(Rollout(place, sample, ids, (), text, ended))
    return found


def paid(made: list[Rollout]) -> list[float]:
    """A reward that reads the answer in its own way."""
    return [
        float(one.text.rpartition("Answer: ")[2] == PROMPTS[one.prompt].columns["answer"]) for one in made
    ]


def split(ours: list[Rollout], theirs: list[Rollout], **more):
    return split_of(PROMPTS, (ours, paid(ours)), (theirs, paid(theirs)), **more)


def test_fewer_right_answers_are_correctness():
    found = split(rollouts(right=3), rollouts(right=2))
    correctness = found.terms[1]
    assert correctness.estimate.value == pytest.approx(-0.25)
    assert (correctness.reference, correctness.candidate) == (0.75, 0.5)
    assert found.total.value == pytest.approx(-0.25)


def test_completions_that_lost_their_answer_to_the_limit_are_truncation():
    found = split(rollouts(right=3, cut=1), rollouts(right=3, cut=3))
    truncation, correctness = found.terms[:2]
    assert truncation.candidate == 0.75
    assert truncation.estimate.value < -0.3
    assert abs(correctness.estimate.value) < 0.2


def test_lengths_are_in_characters_where_tokens_are_not_known():
    bare = [replace(one, token_ids=()) for one in rollouts(right=2)]
    assert split(bare, rollouts(right=2, words=9)).terms[2].unit == "characters"
    assert split(rollouts(right=2), rollouts(right=2, words=9)).terms[2].unit == "tokens"


def test_another_scorer_and_forced_replay_are_said():
    ours, theirs = rollouts(right=3), rollouts(right=3)
    found = split(ours, theirs, fixed=[value - 0.5 for value in paid(theirs)], forced=True)
    assert found.notes == (FROM_WEIGHTS,)
    assert found.terms[3].estimate.value == pytest.approx(0.5)
    assert found.terms[4].estimate.value == pytest.approx(-0.5)
    assert found.total.value == pytest.approx(0)


def test_without_a_reward_each_there_is_no_split():
    ours = rollouts(right=3)
    assert split_of(PROMPTS, (ours, paid(ours)), (ours, [])) is None
    assert split_of(PROMPTS, ([], []), ([], [])) is None
