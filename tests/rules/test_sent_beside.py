"""A dtype that is sent together with what is called handles, by whoever calls this project."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vllm_migrate.config import Config
from vllm_migrate.rules.scan import scan

if TYPE_CHECKING:
    from pathlib import Path

SEND = (
    "from vllm import LLM\n\n\nclass Actor:\n    def __init__(self):\n        self.llm = LLM('m')\n\n"
    "    def update(self, name, dtype, shape, {more}):\n"
    "        return self.llm.collective_rpc('update', args=(name, dtype, shape, {more}))\n"
)


@pytest.mark.parametrize(("more", "both"), [("ipc_handles", True), ("empty_cache", False)])
def test_a_dtype_beside_handles_goes_with_them(tmp_path: Path, more: str, *, both: bool) -> None:
    (tmp_path / "actor.py").write_text(SEND.format(more=more), encoding="utf-8")
    (found,) = scan([tmp_path], Config(target="0.32.0", select=("VM507",))).findings
    assert (f"where {more} holds handles of CUDA IPC" in found.advice) is both
    assert ("VLLM_ALLOW_INSECURE_SERIALIZATION" in found.advice) is both
