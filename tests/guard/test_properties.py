"""What must hold of any step, whatever is in it."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hn

from vllm_migrate.guard import Boundaries, PolicyGuard
from vllm_migrate.guard.measure import measure
from vllm_migrate.objective import DEFAULTS, clip_range

LOGPROBS = st.floats(-30, 0, width=32)
ANY = st.one_of(st.floats(width=32), st.sampled_from([np.nan, np.inf, -np.inf, 0.0, 1e30, -1e30]))

MANY = settings(max_examples=60, deadline=None)


@st.composite
def steps(draw, elements=LOGPROBS):
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 8)))

    def of(kind, size=shape, dtype=np.float64):
        return draw(hn.arrays(dtype, size, elements=kind))

    found = {
        "trainer_logprobs": of(elements),
        "rollout_logprobs": of(elements),
        "mask": of(st.booleans(), dtype=np.bool_),
    }
    assume(found["mask"].any())
    if draw(st.booleans()):
        found["previous_logprobs"] = of(elements)
    if draw(st.booleans()):
        rewards = st.floats(-5, 5, width=16) if elements is LOGPROBS else elements
        found["rewards"] = of(rewards, shape[:1])
        found["advantages"] = of(rewards, draw(st.sampled_from([shape[:1], shape])))
        found["groups"] = of(st.integers(0, 3), shape[:1], np.int64)
    return found


def figures(step, objective="grpo"):
    found = measure(clip=clip_range(objective), **step)
    return {field.name: getattr(found, field.name) for field in fields(found)}


def same(left, right, rel=1e-6):
    for name, value in left.items():
        if value is None or isinstance(value, bool):
            assert right[name] == value, name
        else:
            # A standard error is the root of a difference: what is lost there is small beside 1 + ratio.
            least = 1e-6 * (2 + left["mean_ratio_deviation"]) if name == "mean_ratio_error" else 1e-9
            assert right[name] == pytest.approx(value, rel=rel, abs=least, nan_ok=True), name


@MANY
@given(steps())
def test_the_parts_add_up_to_the_whole(step):
    found = figures(step)
    parts = found["policy_kl"] + found["mismatch_k2"] + found["cross_k2"]
    assert parts == pytest.approx(found["total_k2"], rel=1e-9, abs=1e-9)
    d = (step["trainer_logprobs"] - step["rollout_logprobs"])[step["mask"]]
    assert found["total_k2"] == pytest.approx(np.square(d).mean() / 2, rel=1e-9, abs=1e-12)
    assert found["policy_k1"] + found["mismatch_k1"] == pytest.approx(-d.mean(), rel=1e-6, abs=1e-9)


@MANY
@given(steps(), st.sampled_from(sorted(DEFAULTS)), st.randoms(use_true_random=False))
def test_the_order_of_the_batch_changes_nothing(step, objective, shuffled):
    order = list(range(len(step["mask"])))
    shuffled.shuffle(order)
    same(figures(step, objective), figures({name: value[order] for name, value in step.items()}, objective))


@MANY
@given(steps(), st.sampled_from(sorted(DEFAULTS)), ANY)
def test_what_the_mask_leaves_out_does_not_matter(step, objective, filler):
    other = {
        name: np.where(step["mask"], value, filler) if value.ndim > 1 and name != "mask" else value
        for name, value in step.items()
    }
    same(figures(step, objective), figures(other, objective))


@MANY
@given(steps(), st.sampled_from(sorted(DEFAULTS)))
def test_padding_changes_nothing(step, objective):
    padded = {
        name: np.pad(value, ((0, 0), (2, 3))) if value.ndim > 1 else value for name, value in step.items()
    }
    same(figures(step, objective), figures(padded, objective))


@MANY
@given(steps())
def test_names_of_groups_mean_nothing(step):
    assume("groups" in step)
    same(figures(step), figures({**step, "groups": 1000 - 7 * step["groups"]}))


@MANY
@given(steps())
def test_shares_are_shares(step):
    found = figures(step)
    for name in ("clip_rate", "policy_clip_rate", "zero_update_clip_rate", "tail_f2", "mismatch_tail_f2"):
        assert 0 <= found[name] <= 1, name
    assert 1 / found["tokens"] - 1e-9 <= found["ess"] <= 1 + 1e-9
    for name in ("mismatch_share", "zero_variance_groups", "advantage_zero", "advantage_off_centre"):
        assert found[name] is None or 0 <= found[name] <= 1 + 1e-9, name


@MANY
@given(steps(ANY), st.sampled_from(sorted(DEFAULTS)))
def test_nothing_that_is_in_an_array_breaks_the_guard(step, objective):
    guard = PolicyGuard(Boundaries.default(), clip=clip_range(objective))
    decision = guard.step(**step)
    assert "\n" not in decision.message
    if not all(np.isfinite(step[name][step["mask"]]).all() for name in step if name.endswith("_logprobs")):
        assert decision.stopped
    guard.load_state_dict(guard.state_dict())


@MANY
@given(steps(), st.integers(0, 6), st.sampled_from(sorted(DEFAULTS)))
def test_sums_of_parts_are_the_sums_of_the_whole(step, cut, objective):
    logprobs = {name: value for name, value in step.items() if value.ndim > 1 and name != "advantages"}
    parts = [
        {name: value[rows] for name, value in logprobs.items()} for rows in (slice(cut), slice(cut, None))
    ]
    assume(all(part["mask"].any() for part in parts))
    clip, vectors = clip_range(objective), []
    for part in parts:
        measure(clip=clip, reduce=lambda vector: vectors.append(vector) or vector, **part)
    added = measure(clip=clip, reduce=lambda _: vectors[0] + vectors[1], **parts[0])
    same(figures(logprobs, objective), {field.name: getattr(added, field.name) for field in fields(added)})
