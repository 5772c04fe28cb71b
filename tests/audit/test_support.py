"""Kinds of checkpoints and arguments: each works, or is refused with one line."""

from __future__ import annotations

import json

import pytest
from plans import a_plan

from vllm_migrate.audit.support import check_support
from vllm_migrate.errors import VllmMigrateError


@pytest.fixture
def checked(tmp_path):
    def check(config=None, *, file="config.json", **arguments):
        (tmp_path / "config.json").write_text("{}")
        (tmp_path / file).write_text(json.dumps(config or {}))
        return check_support(a_plan(model=tmp_path, candidate_args=arguments)).warnings

    return check


def test_a_plain_model_needs_no_word(checked):
    assert checked({"model_type": "qwen2", "quantization_config": None, "vision_config": None}) == ()


@pytest.mark.parametrize(
    "config", [{"num_experts": 64}, {"num_local_experts": 8}, {"text_config": {"n_routed_experts": 256}}]
)
def test_a_mixture_of_experts_works_and_is_said(checked, config):
    (warning,) = checked(config)
    assert "--profile moe" in warning


def test_code_of_the_models_own_is_not_run_and_that_is_said(checked):
    (warning,) = checked({"auto_map": {"AutoModelForCausalLM": "modeling_x.X"}})
    assert "auto_map" in warning


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"quantization_config": {"quant_method": "awq"}}, r"quantised weights \(awq\)"),
        ({"compression_config": {"format": "x"}}, r"quantised weights \(unnamed\)"),
        ({"text_config": {"quantization_config": {"quant_method": "fp8"}}}, r"quantised weights \(fp8\)"),
        ({"vision_config": {"depth": 2}}, "multimodal model"),
        ({"audio_config": {"depth": 2}}, "multimodal model"),
    ],
)
def test_checkpoints_that_are_refused(checked, config, says):
    with pytest.raises(VllmMigrateError, match=says) as caught:
        checked(config)
    assert "not supported" in caught.value.message
    assert "\n" not in caught.value.message


def test_an_adapter_is_refused_with_what_to_do(checked):
    with pytest.raises(VllmMigrateError, match="is a LoRA adapter") as caught:
        checked({"peft_type": "LORA"}, file="adapter_config.json")
    assert "merge" in caught.value.hint


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"enable_lora": True}, "enable_lora of the candidate: LoRA adapters are not supported"),
        ({"quantization": "fp8"}, "quantization of the reference: quantised weights are not supported"),
        ({"trust_remote_code": True}, "trust_remote_code of the reference"),
        ({"limit_mm_per_prompt": {"image": 1}}, "multimodal prompts are not supported"),
    ],
)
def test_arguments_that_are_refused(checked, arguments, says):
    with pytest.raises(VllmMigrateError, match=says):
        checked(**arguments)


def test_arguments_that_are_off_are_fine(checked):
    assert checked(enable_lora=False, quantization=None, trust_remote_code=False) == ()
