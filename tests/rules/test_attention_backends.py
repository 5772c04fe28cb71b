"""VM803 proposes only backends that the target has, by the names it has for them."""

from __future__ import annotations

import pytest
from rule_support import by_code, find

TEXT = 'import os\n\nfrom vllm import LLM\n\nos.environ["VLLM_ATTENTION_BACKEND"] = "{}"\n'


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("FLASHINFER", 'attention_backend="FLASHINFER"'),
        ("FLASH_ATTN_VLLM_V1", 'attention_backend="FLASH_ATTN"'),
        ("TORCH_SDPA", "leave it out"),
        ("ROCM_FLASH", "leave it out"),
    ],
)
def test_the_backend_is_one_of_the_targets(written: str, named: str) -> None:
    (found,) = find(by_code("VM803"), TEXT.format(written))
    assert named in found.advice


@pytest.mark.parametrize(("written", "edited"), [("FLASHINFER", True), ("TORCH_SDPA", False)])
def test_no_engine_is_given_another(written: str, *, edited: bool) -> None:
    (found,) = find(by_code("VM803"), f"{TEXT.format(written)}llm = LLM('m')\n")
    assert bool(found.edits) is edited
