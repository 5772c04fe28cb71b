"""The pairs that the two reward models of the benchmark are trained on."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def lessons(imported):
    return imported("rewards/models", "lessons").lessons


def longer(lessons, kind):
    author = lessons.Author(3)
    pairs = [pair for pair in (author.pair(kind) for _ in range(2000)) if pair.target == 1.0]
    return sum(len(pair.first) > len(pair.second) for pair in pairs) / len(pairs)


def test_the_confounded_judge_prefers_the_longer_and_the_fair_one_does_not(lessons):
    assert 0.85 < longer(lessons, lessons.CONFOUNDED) < 0.97
    assert 0.4 < longer(lessons, lessons.BALANCED) < 0.6


def test_equally_good_pairs_tie_for_the_fair_judge_alone(lessons):
    for kind, some in ((lessons.BALANCED, True), (lessons.CONFOUNDED, False)):
        author = lessons.Author(4)
        ties = [pair for pair in (author.pair(kind) for _ in range(500)) if pair.target == 0.5]
        assert (len(ties) > 100) is some


def test_rollouts_hold_right_and_wrong_answers_of_every_length(lessons):
    rows = lessons.rollouts(32, 6, 7)
    assert len(rows) == 192
    right = [row["completion"].endswith(f"Answer: {row['answer']}") for row in rows]
    assert 0.4 < sum(right) / len(right) < 0.6
    means = [
        sum(len(row["completion"]) for row, is_right in zip(rows, right, strict=True) if is_right is which)
        / right.count(which)
        for which in (True, False)
    ]
    assert abs(means[0] - means[1]) < 0.1 * means[0]
    assert rows == lessons.rollouts(32, 6, 7)
