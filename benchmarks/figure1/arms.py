"""The arms: which engine rolls out, with which arguments, how weights reach it, and what is wrong with it.

The engine arguments of `v1-rewritten` are not written down here: they are what `vllm-migrate rewrite` puts
into a V0-era construction of the engine, `fixtures/grpo_v0/rollout.py`.
"""

from __future__ import annotations

import ast
import functools
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vllm_migrate.audit.sync.ways import SyncWay, parse_way
from vllm_migrate.objective import ClipRange
from vllm_migrate.workers.protocol import SamplingSettings

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "fixtures" / "model"
PROJECT = ROOT / "fixtures" / "grpo_v0"
V0, V1 = "v0", "v1"
GRPO, GSPO = "grpo", "gspo"
OBJECTIVES = (GRPO, GSPO)
TEMPERATURE, WRONG_TEMPERATURE = 0.7, 1.0
SAMPLING = SamplingSettings(temperature=TEMPERATURE, top_p=0.9, top_k=50, max_tokens=56)
"""As in the V0-era project's config.yaml; completions may grow a third longer than the longest taught."""
CLIPS = {GRPO: (0.2, 0.2), GSPO: (0.02, 0.02)}
"""GRPO's usual range. GSPO's is PipelineRL's: the paper's 3e-4 is less than bfloat16 does to 35 tokens."""

COMMON = {"dtype": "bfloat16", "max_model_len": 256, "max_num_seqs": 64}
SMALL_BLOCKS = {"block_size": 32}
"""The smallest of V1 on the CPU, whose 128 no prompt of 94 tokens fills; a GPU has 16."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to roll out.

    Attributes:
        engine: "v0" or "v1". arguments: of `LLM(...)`.
        way: how new weights are brought in; every step, but every `skips`-th where that is not 0.
        temperature: what the engine samples at; the trainer believes `TEMPERATURE`.
        head: precision of the trainer's last projection; the engines' is bfloat16.
        pays_length: what the reward pays for each token of a completion.
    """

    name: str
    about: str
    engine: str
    way: SyncWay
    arguments: dict[str, Any] = field(default_factory=dict)
    skips: int = 0
    temperature: float = TEMPERATURE
    head: str = "bfloat16"
    pays_length: float = 0.0

    @property
    def fault(self) -> bool:
        """Whether something was planted in it."""
        return self.name not in MAIN


REPAIRED = "v1-rewritten"
MAIN = ("v0", "v1-default", REPAIRED)


@functools.cache
def rewritten_arguments() -> tuple[tuple[str, Any], ...]:
    """Keywords that `vllm-migrate rewrite` adds to the project's `LLM(...)`, with their values.

    Raises:
        RuntimeError: it added nothing, or the call is not there.
    """
    with tempfile.TemporaryDirectory(prefix="figure1-") as folder:
        project = Path(folder) / "project"
        shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("__pycache__"))
        before = _keywords(project / "rollout.py")
        command = [sys.executable, "-m", "vllm_migrate", "rewrite", "--from", "0.8.5", "--to", "0.32.0"]
        subprocess.run([*command, "-q", str(project)], check=False, capture_output=True, cwd=ROOT)
        added = {
            name: value for name, value in _keywords(project / "rollout.py").items() if name not in before
        }
    if not added:
        raise RuntimeError("rewrite changed nothing in the construction of the engine")
    return tuple(added.items())


def _keywords(file: Path) -> dict[str, Any]:
    """Keywords of the one call of `LLM`, with values where these are literal."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "LLM":
            return {
                keyword.arg: keyword.value.value if isinstance(keyword.value, ast.Constant) else None
                for keyword in node.keywords
                if keyword.arg is not None
            }
    raise RuntimeError(f"{file.name} constructs no engine")


@functools.cache
def arms() -> dict[str, Arm]:
    """Every arm by name: the three of the figure, then the faults, each planted in the rewritten one."""
    rewritten = Arm(
        REPAIRED,
        "V1 as `vllm-migrate rewrite` configures it, cache reset after each sync",
        V1,
        parse_way("reload+reset"),
        {**COMMON, **SMALL_BLOCKS, **dict(rewritten_arguments())},
    )
    every = (
        Arm("v0", "V0 0.8.5, the reference", V0, parse_way("in-place"), dict(COMMON)),
        Arm(
            "v1-default",
            "V1 0.32.0 at its defaults",
            V1,
            parse_way("reload"),
            {**COMMON, **SMALL_BLOCKS},
        ),
        rewritten,
        replace(
            rewritten,
            name="stale-cache",
            about="prefix caching on, cache kept over each sync",
            way=parse_way("reload"),
            arguments={**rewritten.arguments, "enable_prefix_caching": True},
        ),
        replace(rewritten, name="skipped-sync", about="every tenth sync is skipped", skips=10),
        replace(
            rewritten,
            name="wrong-temperature",
            about=f"sampled at {WRONG_TEMPERATURE:g}, trained as at {TEMPERATURE:g}",
            temperature=WRONG_TEMPERATURE,
        ),
        replace(
            rewritten, name="bf16-head", about="the trainer's head is fp32, the engine's bf16", head="float32"
        ),
        replace(
            rewritten, name="length-reward", about="the reward pays 0.05 for each token", pays_length=0.05
        ),
    )
    return {arm.name: arm for arm in every}


def clip_range(objective: str) -> ClipRange:
    """The clip range that an audit of this objective is told."""
    low, high = CLIPS[objective]
    return ClipRange(low, high, objective)
