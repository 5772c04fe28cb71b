from __future__ import annotations

from pathlib import Path

import pytest
from plans import a_plan

from vllm_migrate.audit.arguments import parse_arguments
from vllm_migrate.audit.figures.metrics import ClipRange
from vllm_migrate.audit.plan import PARITY_RECIPE, parity_additions, prompts_with_top, separates
from vllm_migrate.errors import UsageError
from vllm_migrate.workers.protocol import SamplingSettings


def plan(**changes):
    sampling = SamplingSettings(temperature=0.7, top_p=0.9, top_k=50)
    return a_plan(**{"sampling": sampling, "samples": 2, **changes})


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"temperature": 1.0}, False),
        ({"temperature": 1.0, "top_k": 50}, False),
        ({"temperature": 0.99, "top_p": 0.999}, False),
        ({"temperature": 0.7}, True),
        ({"temperature": 1.0, "top_p": 0.9}, True),
        ({"temperature": 1.0, "min_p": 0.1}, True),
        ({"temperature": 1.0, "repetition_penalty": 1.1}, True),
    ],
)
def test_which_profiles_separate(settings, expected):
    assert separates(SamplingSettings(**settings)) is expected


def test_temperature_one_alone_is_never_the_whole_audit():
    made = plan(sampling=SamplingSettings(temperature=1.0, max_tokens=33))
    assert made.probe is not None
    assert separates(made.probe)
    assert made.probe.max_tokens == 33
    assert any("can't tell raw from processed" in warning for warning in made.warnings)
    assert plan().probe is None


def test_the_remedy_adds_only_what_is_missing():
    assert parity_additions({}) == PARITY_RECIPE
    assert parity_additions({"logprobs_mode": "processed_logprobs", "dtype": "float32"}) == {
        "enable_prefix_caching": False,
        "async_scheduling": False,
    }
    assert parity_additions(PARITY_RECIPE) == {}
    assert plan(candidate_args={"enable_prefix_caching": True}).remedy_additions == PARITY_RECIPE


def test_what_changes_numbers_on_both_sides_goes_to_both():
    made = plan(
        candidate_args={"dtype": "float32", "logprobs_mode": "processed_logprobs"}, v0_args={"seed": 1}
    )
    assert made.v0_args == {"dtype": "float32", "seed": 1}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sampling": SamplingSettings(temperature=0.0)}, "--temperature"),
        ({"sampling": SamplingSettings(top_p=0.0)}, "--top-p"),
        ({"sampling": SamplingSettings(top_k=-5)}, "--top-k"),
        ({"sampling": SamplingSettings(min_p=2.0)}, "--min-p"),
        ({"sampling": SamplingSettings(repetition_penalty=0.0)}, "--repetition-penalty"),
        ({"sampling": SamplingSettings(max_tokens=0)}, "--max-tokens"),
        ({"sampling": SamplingSettings(temperature=float("nan"))}, "--temperature"),
        ({"samples": 0}, "--samples"),
        ({"clip": ClipRange(0.0, 0.2)}, "--clip-range"),
        ({"prompts": ()}, "--prompts"),
        ({"require_reward": True}, "--require-reward"),
        ({"reference": Path("a"), "save_reference": Path("b")}, "exclude each other"),
    ],
)
def test_wishes_that_make_no_sense(changes, says):
    with pytest.raises(UsageError, match=says):
        plan(**changes)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (['{"dtype": "bfloat16", "max-model-len": 256}'], {"dtype": "bfloat16", "max_model_len": 256}),
        (["enable_prefix_caching=False", "seed=1"], {"enable_prefix_caching": False, "seed": 1}),
        (["seed=none", "--dtype=auto"], {"seed": None, "dtype": "auto"}),
        (['hf_overrides={"head_dtype": "float32"}'], {"hf_overrides": {"head_dtype": "float32"}}),
        (['{"seed": 1}', "seed=2"], {"seed": 2}),
        ([], {}),
    ],
)
def test_engine_arguments_on_the_command_line(texts, expected):
    assert parse_arguments(texts) == expected


@pytest.mark.parametrize("text", ["{", "seed", "=1", "a b=1", "model=x", '{"model": "x"}'])
def test_engine_arguments_that_are_none(text):
    with pytest.raises(UsageError):
        parse_arguments([text])


@pytest.mark.parametrize(
    ("prompts", "samples", "expected"),
    [
        (64, 8, 16),  # one sequence in 32
        (1000, 8, 250),
        (32, 8, 8),
        (16, 4, 4),  # eight would be one in eight: no more than one in sixteen
        (8, 1, 2),
        (1, 1, 1),
        (5, 400, 5),
    ],
)
def test_few_sequences_bring_their_most_likely_tokens(prompts, samples, expected):
    assert prompts_with_top(prompts, samples) == expected
