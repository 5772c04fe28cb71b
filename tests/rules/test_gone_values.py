"""Values that engine arguments no longer take: found where they are written out, however they are given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rule_support import by_code, find

from vllm_migrate.config import Config
from vllm_migrate.edits.model import Level
from vllm_migrate.rules.scan import scan

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "from vllm import LLM\n\n\ndef build(model, way):\n"


@pytest.mark.parametrize(
    ("text", "file_name", "said"),
    [
        (
            f'{HEAD}    return LLM(model, quantization="BitsAndBytes")\n',
            "a.py",
            'quantization="BitsAndBytes"',
        ),
        (
            f'{HEAD}    options = {{"load_format": "gguf"}}\n    return LLM(model, **options)\n',
            "a.py",
            "load_format",
        ),
        ("vllm serve m --tokenizer-mode slow\n", "run.sh", "--tokenizer-mode slow"),
        ("vllm_kwargs:\n  quantization: hqq\n", "config.yaml", "quantization"),
    ],
)
def test_a_value_that_is_gone_is_found(text: str, file_name: str, said: str) -> None:
    (found,) = find(by_code("VM204"), text, file_name)
    assert said in found.message
    assert found.advice


def test_a_value_that_is_given_under_a_condition_is_a_note() -> None:
    call = 'LLM(model, load_format="bitsandbytes" if way else "auto")'
    (found,) = find(by_code("VM204"), f"{HEAD}    return {call}\n")
    assert found.level is Level.NOTE
    assert 'load_format="bitsandbytes", where that is chosen' in found.message


@pytest.mark.parametrize(
    "call",
    [
        'LLM(model, quantization="fp8")',
        "LLM(model, quantization=way)",
        'LLM(model, load_format="dummy")',
        'LLM(model, tokenizer_mode="auto")',
        'LLM(model, dtype="gguf")',
    ],
)
def test_values_that_are_left_or_not_written_out_are_not(call: str) -> None:
    assert not find(by_code("VM204"), f"{HEAD}    return {call}\n")


def test_a_project_that_registers_its_own_is_left_alone(tmp_path: Path) -> None:
    used = f'{HEAD}    return LLM(model, quantization="hqq")\n'
    (tmp_path / "build.py").write_text(used, encoding="utf-8")
    assert [f.code for f in scan([tmp_path], Config(target="0.32.0")).findings if f.code == "VM204"]
    own = (
        "from vllm.model_executor.layers.quantization import register_quantization_config\n\n\n"
        '@register_quantization_config("hqq")\nclass Own:\n    pass\n'
    )
    (tmp_path / "own.py").write_text(own, encoding="utf-8")
    assert not [f.code for f in scan([tmp_path], Config(target="0.32.0")).findings if f.code == "VM204"]
