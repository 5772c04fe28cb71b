from __future__ import annotations

import dataclasses

import pytest
from plans import a_plan

from vllm_migrate.audit.cause.options import with_cause_options
from vllm_migrate.audit.cause.steps import (
    counterparts,
    rounded_settings,
    suspects,
    taken_defaults,
    to_bf16,
)
from vllm_migrate.audit.result import Cause
from vllm_migrate.errors import UsageError
from vllm_migrate.workers.protocol import SamplingSettings

ON_CPU = {
    "device": "cpu",
    "dtype": "bfloat16",
    "head_dtype": "bfloat16",
    "logprobs_mode": "raw_logprobs",
    "enable_prefix_caching": True,
    "block_size": 128,
    "async_scheduling": False,
    "enforce_eager": True,
}
ON_GPU = {**ON_CPU, "device": "cuda", "async_scheduling": True, "enforce_eager": False}
REFERENCE = {"dtype": "bfloat16", "head_dtype": "bfloat16"}
OBSERVED = {"max_rows": 64, "max_tokens": 2000, "cached_tokens": 0}
SAMPLING = SamplingSettings(temperature=0.75, top_p=0.5)


def plan(**changes):
    return dataclasses.replace(a_plan(sampling=SAMPLING), **changes)


def steps(settings, *, sampling=SAMPLING, observed=OBSERVED, defaults=None, reference=REFERENCE, **changes):
    found = suspects(
        plan(**changes), settings, observed, sampling, reference=reference, defaults=defaults or {}
    )
    assert len({step.name for step in found}) == len(found)
    return found


def named(found, cause):
    return [step for step in found if step.cause is cause]


def test_raw_logprobs_are_suspected_only_of_an_engine_that_reports_them():
    assert named(steps(ON_CPU), Cause.RAW_LOGPROBS)
    assert not named(steps({**ON_CPU, "logprobs_mode": "processed_logprobs"}), Cause.RAW_LOGPROBS)


def test_a_cache_that_served_nothing_is_no_suspect_and_says_so():
    (unused,) = named(steps(ON_CPU), Cause.PREFIX_CACHE)
    assert "128 tokens" in unused.obstacle
    (used,) = named(steps(ON_CPU, observed={**OBSERVED, "cached_tokens": 640}), Cause.PREFIX_CACHE)
    assert not used.obstacle


def test_what_costs_an_engine_on_a_cpu_is_left_to_all():
    assert not named(steps(ON_CPU), Cause.WEIGHTS_OR_DTYPE)
    assert named(steps(ON_CPU, ladder="all"), Cause.WEIGHTS_OR_DTYPE)
    assert not named(steps(ON_CPU), Cause.SCHEDULING)


def test_asynchronous_scheduling_is_not_claimed_to_be_tried_on_a_cpu():
    found = [
        s for s in named(steps(ON_CPU, ladder="all"), Cause.SCHEDULING) if "async_scheduling" in s.setting
    ]
    assert "forces" in found[0].obstacle
    (on_gpu,) = [s for s in named(steps(ON_GPU), Cause.SCHEDULING) if "async_scheduling" in s.setting]
    assert not on_gpu.obstacle
    assert on_gpu.arguments == {"async_scheduling": False}


def test_compilation_is_tried_where_there_is_some():
    assert named(steps(ON_GPU), Cause.ATTENTION)
    assert not named(steps(ON_CPU), Cause.ATTENTION)


def test_an_equal_head_is_changed_on_both_sides_another_one_to_the_references():
    (both,) = named(steps(ON_CPU), Cause.HEAD_PRECISION)
    assert both.flips == {"head_dtype": "float32"}
    assert both.counterpart
    (own,) = named(steps({**ON_CPU, "head_dtype": "float32"}), Cause.HEAD_PRECISION)
    assert own.flips == {"head_dtype": "bfloat16"}
    assert not own.counterpart
    float32 = {"dtype": "float32", "head_dtype": "float32"}
    assert not named(steps({**ON_CPU, **float32}, reference=float32), Cause.HEAD_PRECISION)


def test_requests_that_differ_are_told_apart_by_where_the_values_come_from():
    own = dataclasses.replace(SAMPLING, top_k=20, repetition_penalty=1.2, temperature=0.6)
    found = steps(ON_CPU, candidate_sampling=own, defaults={"top_k": 20})
    assert named(found, Cause.GENERATION_CONFIG)[0].sampling == {"top_k": -1}
    assert named(found, Cause.PENALTIES)[0].sampling == {"repetition_penalty": 1.0}
    assert named(found, Cause.SAMPLING)[0].sampling == {"temperature": 0.75}


def test_a_penalty_both_sides_have_is_taken_from_both():
    (step,) = named(steps(ON_CPU, sampling=SamplingSettings(repetition_penalty=1.25)), Cause.PENALTIES)
    assert step.sampling == {"repetition_penalty": 1.0}
    assert step.counterpart == "no-penalty"


def test_logprobs_taken_from_prompts_are_a_cause_of_their_own():
    (step,) = named(steps(ON_CPU, candidate_path="prefill"), Cause.PROMPT_LOGPROBS)
    assert step.path == "decode"
    assert step.flips == {"logprobs_mode": "processed_logprobs"}


def test_settings_are_rounded_as_v0_does():
    assert to_bf16(0.7) == 0.69921875
    assert to_bf16(0.75) == 0.75
    assert rounded_settings(SAMPLING, "bfloat16") == {}
    assert rounded_settings(SamplingSettings(temperature=0.7), "bfloat16") == {"temperature": 0.69921875}
    assert rounded_settings(SamplingSettings(temperature=0.7), "float32") == {}
    assert rounded_settings(SamplingSettings(temperature=0.7), "float16")["temperature"] != 0.7


def test_a_mixture_of_experts_says_what_can_not_be_held_fixed():
    found = suspects(plan(), ON_CPU, OBSERVED, SAMPLING, reference=REFERENCE, defaults={}, moe=True)
    assert named(found, Cause.MOE_ROUTING)[0].obstacle


def test_counterparts_are_every_combination_in_sorted_order():
    assert len(counterparts(SamplingSettings())) == 3
    assert ("float32",) in counterparts(SamplingSettings(), everything=True)
    found = counterparts(SamplingSettings(repetition_penalty=1.1))
    assert len(found) == 3
    assert not any("prefill" in names for names in found)
    assert all(list(names) == sorted(names) for names in found)


def test_defaults_of_the_checkpoint_may_have_been_taken_whole_or_where_nothing_was_set():
    sampling = SamplingSettings(temperature=0.75, top_k=0)
    shipped = {"temperature": 0.6, "top_p": 0.95, "top_k": 20}
    assert taken_defaults(sampling, shipped) == {
        "generation-defaults": shipped,
        "unset-generation-defaults": {"top_p": 0.95, "top_k": 20},
    }
    assert taken_defaults(sampling, {"temperature": 0.75, "top_k": -1}) == {}
    assert list(taken_defaults(sampling, {"top_k": 20})) == ["generation-defaults"]
    assert list(taken_defaults(sampling, {"temperature": 0.6, "do_sample": True})) == ["generation-defaults"]


def test_defaults_that_may_have_been_taken_unasked_are_tried_in_the_reference():
    shipped = {"temperature": 0.6, "top_p": 0.9}
    (step,) = named(steps(ON_CPU, defaults=shipped), Cause.GENERATION_CONFIG)
    assert (step.counterpart, step.reference_only) == ("generation-defaults", True)
    assert step.setting == {"reference_temperature": 0.6, "reference_top_p": 0.9}
    own = dataclasses.replace(SAMPLING, temperature=0.6)
    (asked,) = named(steps(ON_CPU, defaults=shipped, candidate_sampling=own), Cause.GENERATION_CONFIG)
    assert not asked.counterpart
    wanted = counterparts(SAMPLING, defaults=taken_defaults(SAMPLING, shipped))
    assert {("generation-defaults",), ("fp32-head", "generation-defaults")} <= set(wanted)


@pytest.mark.parametrize(
    "text", ["temperature=0", "temperature=warm", "seed=3", "n=4", "top_p=true", "top_k=2.5"]
)
def test_sampling_settings_that_make_no_sense_are_refused(text):
    with pytest.raises(UsageError):
        with_cause_options(plan(), ladder="auto", sampling=[text], scores="decode")


def test_sampling_settings_equal_to_the_references_are_none():
    same = with_cause_options(plan(), ladder="auto", sampling=["temperature=0.75"], scores="decode")
    assert same.candidate_sampling is None
    other = with_cause_options(plan(), ladder="all", sampling=["temperature=0.5"], scores="prefill")
    assert other.candidate_sampling.temperature == 0.5
    assert (other.ladder, other.candidate_path) == ("all", "prefill")
