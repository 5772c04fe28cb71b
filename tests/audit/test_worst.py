"""The tokens that moved most, on a trace of plain numbers: which, in which order, and what is around them."""

from __future__ import annotations

import math

import numpy as np

from vllm_migrate.audit.figures.worst import AROUND, MOST, worst_tokens
from vllm_migrate.trace.model import Prompt, Provenance, Rollout, Trace

MADE = Provenance("v0", "0.8.5", "", "v0", {}, {}, {}, "", "", "")
WORDS = {number: f"w{number}" for number in range(40)}


def trace_of(*lengths: int) -> Trace:
    prompts = (Prompt(0, "", (30, 31)), Prompt(1, "", tuple(range(20, 30))))
    rollouts = tuple(
        Rollout(index % 2, index, tuple(range(length)), (-1.0,) * length)
        for index, length in enumerate(lengths)
    )
    return Trace(MADE, prompts, rollouts)


def moved(trace: Trace, changes: dict[int, float]):
    reference = np.full(sum(len(rollout.token_ids) for rollout in trace.rollouts), -1.0)
    forced = reference.copy()
    for index, value in changes.items():
        forced[index] = value
    return worst_tokens(trace, reference, forced, WORDS)


def test_the_farthest_comes_first_and_unmoved_tokens_are_left_out():
    found = moved(trace_of(10, 10), {3: -1.5, 12: -math.inf, 17: -0.2})
    assert [(t.prompt, t.sample, t.position, t.token) for t in found] == [
        (1, 1, 2, "w2"),
        (1, 1, 7, "w7"),
        (0, 0, 3, "w3"),
    ]
    assert found[0].candidate == -math.inf
    assert moved(trace_of(10, 10), {}) == ()


def test_context_is_cut_at_both_ends_and_begins_in_the_prompt():
    found = moved(trace_of(10, 10), {0: -9.0, 12: -8.0, 19: -7.0})
    assert [t.before for t in found] == [
        ("w30", "w31"),
        ("w26", "w27", "w28", "w29", "w0", "w1"),
        ("w3", "w4", "w5", "w6", "w7", "w8"),
    ]
    assert [t.after for t in found] == [
        tuple(f"w{k}" for k in range(1, 1 + AROUND)),
        *(
            tuple(f"w{k}" for k in range(3, 9)),
            (),
        ),
    ]


def test_empty_completions_do_not_shift_the_others():
    found = moved(trace_of(0, 5, 0, 5), {4: -9.0, 5: -8.0})
    assert [(t.sample, t.position) for t in found] == [(1, 4), (3, 0)]


def test_of_many_equally_far_the_first_are_kept():
    trace = trace_of(200)
    found = moved(trace, dict.fromkeys(range(200), -3.0) | {150: -4.0})
    assert len(found) == MOST
    assert [t.position for t in found] == [150, *range(MOST - 1)]
