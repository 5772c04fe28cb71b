"""Every target from the oldest to the newest: one tree, checked and rewritten for each release in between."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from vllm_migrate.config import Config
from vllm_migrate.edits.plan import plan_file
from vllm_migrate.facts.loader import load_facts
from vllm_migrate.facts.model import Engine, Remedy
from vllm_migrate.facts.source import NEWEST_TARGET, OLDEST_TARGET
from vllm_migrate.facts.surface import known_versions
from vllm_migrate.rules.scan import scan

if TYPE_CHECKING:
    from pathlib import Path

_KNOWN = [version for version in known_versions("vllm") if OLDEST_TARGET <= version <= NEWEST_TARGET]
_BETWEEN = [Version(f"0.{minor}.0") for minor in range(11, 34)]
_TARGETS = sorted({*_KNOWN, *_BETWEEN})
_FACTS = {fact.id: fact for fact in load_facts().facts}

_TREE = {
    "engine.py": (
        "import os\n"
        "from vllm import LLM, SamplingParams\n"
        "from vllm.lora.request import LoRARequest\n"
        "from vllm.sampling_params import GuidedDecodingParams\n"
        "from vllm.utils import get_open_port\n"
        "from vllm.worker.worker import Worker\n\n"
        'os.environ["VLLM_USE_V1"] = "0"\n\n\n'
        "def build(rank):\n"
        '    return LLM("m", swap_space=4, task="generate", num_scheduler_steps=8, device="cuda",\n'
        '               max_seq_len_to_capture=8192, guided_decoding_backend="xgrammar", seed=rank)\n\n\n'
        "def ask(llm: LLM, ids):\n"
        "    guide = GuidedDecodingParams(choice=['a', 'b'])\n"
        "    params = SamplingParams(best_of=1, n=1, guided_decoding=guide, logprobs=0, temperature=0.7)\n"
        '    adapter = LoRARequest("a", 1, lora_local_path="a")\n'
        "    out = llm.generate(prompt_token_ids=[list(i) for i in ids], sampling_params=params,\n"
        "                       lora_request=adapter)\n"
        "    return [o.outputs[0].logprobs for o in out], get_open_port()\n\n\n"
        "def sync(llm: LLM, weights):\n"
        '    llm.collective_rpc("update_weight", args=(weights,))\n'
    ),
    "train.py": (
        'from trl import GRPOConfig\n\n\ndef settings():\n    return GRPOConfig("out", use_vllm=True)\n'
    ),
    "serve.sh": "vllm serve m --swap-space 4 --disable-log-requests --guided-decoding-backend xgrammar\n",
    "requirements.txt": "vllm==0.8.5\ntrl==0.17.0\n",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in _TREE.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("target", _TARGETS, ids=str)
def test_every_target(tree: Path, target: Version) -> None:
    result = scan([tree], Config(target=str(target)))
    assert result.target.version == target
    assert not result.diagnostics
    assert {finding.path.name for finding in result.findings} >= {"engine.py", "serve.sh"}
    for finding in result.findings:
        fact = _FACTS.get(finding.fact)
        if fact is not None and fact.package == "vllm":
            state = fact.at(target, Engine.V1)
            assert state is not None, finding
            assert state.remedy is not Remedy.NONE, finding
    for path, facts in result.facts.items():
        mine = [finding for finding in result.findings if finding.path == path]
        after = plan_file(facts, mine, unsafe=True).after
        if path.suffix == ".py":
            ast.parse(after)
        (tree / path.name).write_bytes(after)
    engine = (tree / "engine.py").read_text(encoding="utf-8")
    assert ("swap_space" in engine) == (target < Version("0.18"))
    assert ("StructuredOutputsParams" in engine) == (target >= Version("0.12"))
    assert "lora_path=" in engine or target < Version("0.14")
    assert "temperature=0.9" in (tree / "train.py").read_text(encoding="utf-8")
    serve = (tree / "serve.sh").read_text(encoding="utf-8")
    assert ("--disable-log-requests" in serve) == (target < Version("0.17"))
    assert "--structured-outputs-config" in serve
    left = scan([tree], Config(target=str(target)))
    assert not left.diagnostics
    lacking = [f"{f.code} {f.message}" for f in left.findings if f.code.endswith("90")]
    assert lacking == []  # what was put in has to be there
    gone = [f.message for f in left.findings if f.code in ("VM201", "VM202", "VM401", "VM410")]
    assert gone == []
