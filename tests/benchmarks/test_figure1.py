"""The demonstration: its loss and figures, its arms, its reading of curves; its page says what was found."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from vllm_migrate.engines import registry

ROOT = Path(__file__).resolve().parents[2]
FIGURE1 = ROOT / "benchmarks" / "figure1"


@pytest.fixture(scope="module")
def figure1(imported):
    return imported(
        "figure1",
        "arms",
        "rewards",
        "train",
        "run",
        "outcome",
        "plot",
        "table",
        "audits",
        "guarded",
        "watched",
    )


def engine(spec):
    found = registry.find(spec)
    if found is None:
        pytest.skip(f"engine {spec} is not installed: vllm-migrate engines install {spec}")
    return found


# What is rolled out and rewarded


def test_the_rewritten_arm_has_what_rewrite_adds_to_a_v0_construction(figure1):
    added = dict(figure1.arms.rewritten_arguments())
    assert added == {
        "logprobs_mode": "processed_logprobs",
        "enable_prefix_caching": False,
        "async_scheduling": False,
    }
    arms = figure1.arms.arms()
    assert arms["v1-rewritten"].arguments == {**arms["v1-default"].arguments, **added}


def test_each_fault_is_the_rewritten_arm_with_one_thing_wrong(figure1):
    arms = figure1.arms.arms()
    right = asdict(arms["v1-rewritten"])
    differing = {
        name: {key for key, value in asdict(arm).items() if value != right[key]} - {"name", "about"}
        for name, arm in arms.items()
        if arm.fault
    }
    assert differing == {
        "stale-cache": {"way", "arguments"},  # a cache that is kept, and one to keep
        "skipped-sync": {"skips"},
        "wrong-temperature": {"temperature"},
        "bf16-head": {"head"},
        "length-reward": {"pays_length"},
    }
    assert arms["length-reward"].pays_length == figure1.rewards.PER_TOKEN


def test_only_a_brief_right_answer_is_rewarded(figure1):
    brief, wordy = " a" * 22 + " Answer:051308", " a" * 23 + " Answer:051308"
    answers = ["051308"] * 3
    texts = [brief, wordy, " a" * 22 + " Answer:051307"]
    assert figure1.rewards.brief_reward([""] * 3, texts, answer=answers) == [1.0, 0.0, 0.0]
    paid = figure1.rewards.length_paying_reward([""] * 3, texts, answer=answers)
    assert paid == pytest.approx([1 + 0.05 * 30, 0.05 * 31, 0.05 * 30])


def test_every_run_of_a_seed_is_asked_the_same_and_other_seeds_other_things(figure1):
    first, again = (list(figure1.train.exercises(0, 6)) for _ in range(2))
    assert first == again
    assert list(figure1.train.exercises(0, 3)) == first[:3]
    assert list(figure1.train.exercises(1, 6)) != first
    for row in first:
        question = row["prompt"].rpartition("Question:")[2].removesuffix(" Think:")
        left, right = question.split("+")
        assert row["answer"] == "".join(f"{int(a) + int(b):02d}" for a, b in zip(left, right, strict=True))


def test_seeds_of_requests_never_meet(figure1):
    spans = [
        range(figure1.train.seed_of(seed, step), figure1.train.seed_of(seed, step) + 64)
        for seed in range(5)
        for step in range(100)
    ]
    assert len({number for span in spans for number in span}) == 64 * len(spans)


def test_advantages_are_relative_to_the_group(figure1):
    found = figure1.train.advantages([1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0], 4)
    assert found[:4] == pytest.approx([0.866, -0.866, -0.866, 0.866], abs=1e-3)
    assert found[4:] == [0.0] * 4
    assert figure1.train.flat_groups([1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0], 4) == 0.5


# The matrix


def test_a_matrix_goes_on_where_it_stopped(figure1, tmp_path):
    size = replace(figure1.train.Size(), steps=2)
    journal = figure1.run.Journal(tmp_path, size)
    run = figure1.train.Run("v0", "grpo", 0)
    assert journal.find(run) is None
    steps = [{"step": 0, "reward": 0.5}, {"step": 1, "reward": 1.0}]
    journal.keep(run, steps)
    assert journal.find(run) == steps
    other = figure1.run.Journal(tmp_path, replace(size, learning_rate=1.0))
    assert other.find(run) is None  # made otherwise
    with pytest.raises(RuntimeError, match="cut off"):
        journal.keep(replace(run, seed=1), cut_off())
    assert journal.find(replace(run, seed=1)) is None


def cut_off():
    yield {"step": 0}
    raise RuntimeError("cut off")


def test_the_figure_comes_before_the_faults_and_grpo_before_gspo(figure1):
    parts = figure1.run.matrix(list(figure1.arms.arms()), figure1.arms.OBJECTIVES)
    assert [part[0].arm for part in parts[:3]] == ["v0", "v1-default", "v1-rewritten"]
    assert [len(part) for part in parts] == [5] * 16
    assert [part[0].objective for part in parts] == ["grpo"] * 8 + ["gspo"] * 8


# What is made of the curves


def curves(figure1, arm, *, shift=0.0, since=0, metric="entropy"):
    """Five seeds of 20 steps around 1; one metric shifted from a step on."""
    noise = random.Random(arm)  # noqa: S311 - test data
    rows = {
        name: [
            [
                1 + noise.gauss(0, 0.01) + (shift if step >= since and name == metric else 0)
                for step in range(20)
            ]
            for _ in range(5)
        ]
        for name in figure1.outcome.FIGURE
    }
    return figure1.outcome.Curves(arm, "grpo", tuple("01234"), rows)


def test_watch_is_asked_when_an_arm_left_another(figure1, tmp_path):
    reference, same, other = (
        figure1.watched.export(one, tmp_path)
        for one in (
            curves(figure1, "v0"),
            curves(figure1, "v1-rewritten"),
            curves(figure1, "stale-cache", shift=0.2, since=7, metric="kl_new_old"),
        )
    )
    assert figure1.watched.watch(reference, same)["left"] == {}
    found = figure1.watched.watch(reference, other)
    assert set(found["left"]) == {"kl_old"}
    assert figure1.table._left(found, figure1.table.TOLD).startswith("7: KL +0.")
    assert figure1.table._left(found, ("reward",)) == "never"


def test_being_nearer_than_the_reference_is_not_leaving_it_for_the_worse(figure1):
    better = {"left": {"kl_old": {"step": 0, "seen": 1, "size": -0.1, "worse": False}}}
    assert figure1.table._left(better, figure1.table.TOLD) == "never"


def test_the_guard_is_said_to_have_warned_of_what_matters_first(figure1):
    solved = {"stop": None, "boundary": "", "crossed": {"zero_variance_groups": [2, 9]}}
    warned = {**solved, "crossed": {"zero_variance_groups": [2, 9], "mismatch_share": [6, 3], "ess": [6, 1]}}
    stopped = {**warned, "stop": 8, "boundary": "ess"}
    arm = curves(figure1, "v0")
    guard = dict(zip((f"v0-grpo-{seed}" for seed in arm.seeds), (solved, warned, stopped), strict=False))
    assert figure1.table._guarded(guard, arm) == (
        "6 (mismatch_share), 2 of 3 runs",
        "8 (ess), 1 of 3 runs",
    )
    assert figure1.table._guarded({}, arm) == ("not judged", "not judged")


def test_the_graver_verdict_counts(figure1):
    check = {"verdict": "FAIL", "failed": ["empty"]}
    assert figure1.table.worst({"verdict": "PASS", "reward_check": check}) == "FAIL"
    assert figure1.table.worst({"verdict": "INCONCLUSIVE", "reward_check": None}) == "INCONCLUSIVE"


def test_rank_correlation(figure1):
    outcome = figure1.outcome
    assert outcome.spearman([1, 2, 3, 4], [10, 20, 30, 40]) == pytest.approx(1)
    assert outcome.spearman([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    assert outcome.spearman([1, 1, 2], [1, 2, 3]) == pytest.approx(0.8660254)
    assert math.isnan(outcome.spearman([1, 1], [1, 2]))
    point, low, high = outcome.resampled_spearman([1, 2, 3, 4], [[1.0, 1.1], [2.0], [3.0], [4.0]])
    assert (point, high) == (pytest.approx(1), pytest.approx(1))
    assert low <= point


# What is committed


def test_the_page_says_what_was_measured(figure1):
    page = figure1.table.README.read_text(encoding="utf-8")
    assert figure1.table.with_table(page) == page, "python benchmarks/figure1/table.py --readme"


@pytest.mark.parametrize(("objective", "name"), [("grpo", "figure1.svg"), ("gspo", "figure1-gspo.svg")])
def test_the_pictures_are_drawn_from_the_results(figure1, objective, name):
    kept = figure1.outcome.load()
    drawn = figure1.plot.draw([kept[arm, objective] for arm in figure1.arms.MAIN], objective)
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == drawn
    assert ET.fromstring(drawn).tag.endswith("svg")  # noqa: S314 - drawn here


def test_the_results_are_small_and_were_made_by_the_arms_as_they_are(figure1):
    files = list(figure1.run.RESULTS.glob("*.json"))
    assert sum(file.stat().st_size for file in files) < 1_000_000
    for arm, objective in figure1.outcome.load():
        kept = json.loads((figure1.run.RESULTS / f"{arm}-{objective}.json").read_text(encoding="utf-8"))
        now = json.loads(json.dumps(asdict(figure1.arms.arms()[arm])))
        now.pop("about")
        assert kept["arm"] == now
        assert kept["size"] == asdict(figure1.train.Size())
        assert kept["clip"] == list(figure1.arms.CLIPS[objective])


def test_the_reward_rises_on_the_reference(figure1):
    reference = figure1.outcome.load()["v0", "grpo"]
    assert len(reference.seeds) >= 5
    first = [sum(row[:5]) / 5 for row in reference.of["reward"]]
    assert all(last > before + 0.3 for last, before in zip(reference.final("reward"), first, strict=True))


# On engines

OBJECTIVE_CHECK = """
import json, sys
import torch
from objective import metrics, policy_loss
new = torch.tensor([[-1.0, -2.0, -3.0], [-1.0, -float("inf"), 0.0]], requires_grad=True)
old = torch.tensor([[-1.5, -2.0, -2.5], [-1.1, -1.0, 0.0]])
mask = torch.tensor([[True, True, True], [True, True, False]])
advantages = torch.tensor([1.0, -1.0])
found = {}
for objective, clip in (("grpo", (0.2, 0.2)), ("gspo", (0.05, 0.05))):
    new.grad = None
    loss = policy_loss(new, old, mask, advantages, objective=objective, clip=clip)
    loss.backward()
    found[objective] = {
        "loss": loss.item(),
        "grad": [[float(v) for v in row] for row in new.grad],
        "metrics": metrics(new.detach(), old, mask, objective=objective, clip=clip),
    }
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def objective():
    """The loss and figures of two sequences, computed where torch is: in the V1 engine's interpreter."""
    done = subprocess.run(
        [str(engine("v1").python), "-c", OBJECTIVE_CHECK],
        env={**os.environ, "PYTHONPATH": str(FIGURE1), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.engine
def test_grpo_clips_tokens(objective):
    found, up, down, small = objective["grpo"], math.exp(0.5), math.exp(-0.5), math.exp(0.1)
    # first sequence: e^.5 is clipped at 1.2, 1 stays, e^-.5 is not clipped for a good sequence
    assert found["loss"] == pytest.approx(-((1.2 + 1 + down) / 3 - small) / 2, rel=1e-5)
    assert found["grad"][0] == pytest.approx([0, -1 / 6, -down / 6], rel=1e-5)
    assert found["grad"][1] == pytest.approx([small / 2, 0, 0], rel=1e-5)  # no support, padding
    figures = found["metrics"]
    assert figures["clip_rate"] == pytest.approx((2 / 3 + 0) / 2)
    assert figures["ratio"] == pytest.approx(((up + 1 + down) / 3 + small) / 2, rel=1e-5)
    k3 = ((up - 1 - 0.5) + 0 + (down - 1 + 0.5)) / 3
    assert figures["kl_new_old"] == pytest.approx((k3 + small - 1 - 0.1) / 2, rel=1e-4)
    assert figures["k2"] == pytest.approx(((0.125 + 0 + 0.125) / 3 + 0.005) / 2, rel=1e-4)
    ratios = [up, 1, down, small]
    assert figures["ess"] == pytest.approx(sum(ratios) ** 2 / (4 * sum(r * r for r in ratios)), rel=1e-5)
    assert figures["outside_support"] == pytest.approx(1 / 5)


@pytest.mark.engine
def test_gspo_clips_sequences(objective):
    found, small = objective["gspo"], math.exp(0.1)
    # the first sequence's mean is 0; the second's ratio is beyond 1.05, but its advantage is negative
    assert found["loss"] == pytest.approx(-(1 - small) / 2, rel=1e-5)
    assert found["grad"][0] == pytest.approx([-1 / 6] * 3, rel=1e-5)
    assert found["grad"][1] == pytest.approx([small / 2, 0, 0], rel=1e-5)
    assert found["metrics"]["clip_rate"] == pytest.approx(1 / 2)


@pytest.mark.engine
def test_two_steps_of_an_arm_on_real_engines(figure1, tmp_path):
    engine("v1")
    size = replace(figure1.train.Size(), steps=2, prompts=4, group=4, learning_rate=1e-3)
    tensors = tmp_path / "tensors"
    with figure1.train.Bench("v1", tmp_path) as bench:
        steps = list(bench.steps(figure1.train.Run("v1-rewritten", "grpo", 0), size, tensors=tensors))
        assert bench.loaded.settings["logprobs_mode"] == "processed_logprobs"
    assert [step["step"] for step in steps] == [0, 1]
    assert [step["weight_lag"] for step in steps] == [0, 0]
    assert all(0 <= step["reward"] <= 1 and 0 < step["entropy"] < math.log(766) for step in steps)
    decided = list(figure1.guarded.decisions(tensors, "grpo"))
    assert [decision.step for decision in decided] == [0, 1]
    # At this rate an engine left on the old weights would be far from the trainer at the second step.
    assert decided[0].measured.policy_kl > 0.01
    assert all(decision.measured.mismatch_k2 < 0.002 for decision in decided)
