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


SERVER = (
    "import torch\nfrom pydantic import BaseModel\nfrom vllm import LLM\n\n\nclass Update(BaseModel):\n"
    "    name: str\n    dtype: str\n\n\nclass Sync:\n    def update(self, name, dtype):\n"
    "        self.model_runner.model.load_weights([(name, torch.empty(1, dtype=dtype))])\n\n\n"
    "def worker(connection):\n    llm = LLM('m', worker_extension_cls='server.Sync')\n"
    "    command = connection.recv()\n    getattr(llm, command['method'])(**command['kwargs'])\n\n\n"
    "def serve(connection, request: Update):\n    dtype = getattr(torch, request.dtype)\n"
    "    kwargs = {{'method': 'update', 'args': (request.name, {sent})}}\n"
    "    connection.send({{'type': 'call', 'method': '{method}', 'kwargs': kwargs}})\n"
)


@pytest.mark.parametrize(
    ("sent", "method", "said"),
    [
        ("dtype", "collective_rpc", True),
        ("request.dtype", "collective_rpc", False),
        ("dtype", "apply", False),
    ],
)
def test_what_a_message_asks_the_engine_to_send_is_sent(
    tmp_path: Path, sent: str, method: str, *, said: bool
) -> None:
    (tmp_path / "server.py").write_text(SERVER.format(sent=sent, method=method), encoding="utf-8")
    found = scan([tmp_path], Config(target="0.32.0", select=("VM507",))).findings
    assert [finding.message for finding in found] == (
        ["dtype is a torch.dtype, which V1 can't send to update"] if said else []
    )


@pytest.mark.parametrize(
    ("handed", "said"), [("str(p.dtype)", False), ('"bfloat16"', False), ("p.dtype", True), ("kind", True)]
)
def test_a_dtype_that_goes_as_text_is_plain(tmp_path: Path, handed: str, *, said: bool) -> None:
    (tmp_path / "actor.py").write_text(SEND.format(more="empty_cache"), encoding="utf-8")
    (tmp_path / "worker.py").write_text(
        "import torch\n\n\nclass Sync:\n    def update(self, name, dtype, shape, empty_cache):\n"
        "        self.model_runner.model.load_weights([(name, torch.empty(shape, dtype=dtype))])\n",
        encoding="utf-8",
    )
    call = f"engine.update.remote(name, dtype={handed}, shape=tuple(p.shape), empty_cache=True)"
    (tmp_path / "main.py").write_text(f"def send(engine, name, p, kind):\n    {call}\n", encoding="utf-8")
    assert bool(scan([tmp_path], Config(target="0.32.0", select=("VM507",))).findings) is said


@pytest.mark.parametrize(
    ("made", "said"),
    [("str_to_torch_dtype(dtype)", True), ("getattr(torch, dtype)", True), ("str(dtype)", False)],
)
def test_what_a_name_was_given_last_counts(tmp_path: Path, made: str, *, said: bool) -> None:
    (tmp_path / "server.py").write_text(
        "import torch\nfrom vllm import LLM\n\nllm = LLM('m')\n\n\ndef update(data):\n"
        f"    dtype = data.get('dtype')\n    dtype = {made}\n"
        "    llm.collective_rpc('update_weight', args=(data, dtype))\n",
        encoding="utf-8",
    )
    assert bool(scan([tmp_path], Config(target="0.32.0", select=("VM507",))).findings) is said
