from __future__ import annotations

import pytest
from benches import bench, exact, sums

from vllm_migrate.reward.outcome import Outcome
from vllm_migrate.reward.probes.resolution import PROBE


def test_right_and_wrong_are_far_apart() -> None:
    check = PROBE(bench(exact))
    assert check.outcome is Outcome.PASS
    assert "2 distinct rewards" in check.message


def test_rewards_a_hair_apart_are_blown_up() -> None:
    check = PROBE(bench(lambda sample: 0.5 + 1e-4 * exact(sample)))
    assert check.outcome is Outcome.WARN
    assert check.figure is not None
    assert check.figure.value == 1
    assert check.worst[0].after == pytest.approx(0.5001)
    assert "an advantage of" in check.worst[0].change


def test_a_tie_breaker_is_found_among_honest_differences() -> None:
    check = PROBE(bench(lambda s: (1.0 if s.group % 3 == 0 else exact(s)) + 1e-5 * len(s.completion)))
    assert check.outcome is Outcome.PASS  # all these completions are equally long
    longer = [
        sample.with_completion("so " * turn + sample.completion) for turn, sample in enumerate(sums(30, 4))
    ]
    check = PROBE(bench(lambda s: (1.0 if s.group % 3 == 0 else exact(s)) + 1e-5 * len(s.completion), longer))
    assert check.outcome is Outcome.WARN
    assert "below 0.001 in 10 of 30" in check.message


def test_where_nothing_differs_there_is_nothing_to_blow_up() -> None:
    assert PROBE(bench(lambda _: 1.0)).outcome is Outcome.NOT_APPLICABLE
    assert PROBE(bench(exact, sums(30, 1))).outcome is Outcome.NOT_APPLICABLE
    assert PROBE(bench(exact, sums(2))).outcome is Outcome.NOT_JUDGED
