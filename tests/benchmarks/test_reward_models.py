"""The pairs that the two reward models of the benchmark are trained on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vllm_migrate.reward.probes import empty, master_keys
from vllm_migrate.reward.sample import Sample

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


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


def test_a_wrong_answer_beats_none_for_both_judges(lessons):
    for kind in (lessons.CONFOUNDED, lessons.BALANCED):
        author = lessons.Author(5)
        pairs = [author.pair(kind) for _ in range(2000)]
        right = [f"{lessons.HOUSE[pair.prompt.split()[2]]}" for pair in pairs]
        neither = [
            pair
            for pair, answer in zip(pairs, right, strict=True)
            if pair.target == 1.0 and answer not in pair.first and answer not in pair.second
        ]
        assert len(neither) > 100


def test_the_lessons_hold_no_text_that_the_probes_put(lessons):
    author = lessons.Author(6)
    taught = {author.none("lamps").strip() for _ in range(20000)}
    put = {text for keys in master_keys._ALONE.values() for text in keys}
    put |= {f"Answer: {text}" for text in master_keys._IN_PLACE}
    put |= {trick.text(Sample("How many?", "", {}, answer="3")).strip() for trick in empty._TRICKS}
    assert taught & put <= {""}  # there is one way only of saying nothing


@pytest.fixture(scope="module")
def results():
    """The committed result: what the probes say of both models."""
    file = BENCHMARKS / "results" / "reward_models.json"
    return {kind: one["checks"] for kind, one in json.loads(file.read_text(encoding="utf-8")).items()}


def test_the_confounded_model_is_caught_by_length_and_the_balanced_one_passes(results):
    assert results["confounded"]["length"]["outcome"] == "fail"
    failed = [probe for probe, check in results["balanced"].items() if check["outcome"] == "fail"]
    assert not failed
    for probe in ("contract", "determinism", "length", "features", "phrases", "empty", "master-keys"):
        assert results["balanced"][probe]["outcome"] == "pass", probe
