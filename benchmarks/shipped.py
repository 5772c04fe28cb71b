"""The audit whose cost is measured: the shipped model, its prompts, a plan; and what a process has used."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from vllm_migrate.audit.figures.metrics import ClipRange
from vllm_migrate.audit.plan import build_plan
from vllm_migrate.prompts.files import read_prompts
from vllm_migrate.workers.protocol import SamplingSettings

if TYPE_CHECKING:
    from vllm_migrate.audit.plan import AuditPlan

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
MODEL, PROMPTS = FIXTURES / "model", FIXTURES / "prompts.jsonl"
SAMPLING = SamplingSettings(temperature=0.7, top_p=0.9, top_k=50, max_tokens=64)
SAMPLES = 8


def shipped_plan() -> AuditPlan:
    """An audit of the shipped model with V1's defaults."""
    return build_plan(
        model=MODEL,
        prompts=read_prompts(PROMPTS),
        sampling=SAMPLING,
        samples=SAMPLES,
        seed=0,
        clip=ClipRange(),
        v0="v0",
        v1="v1",
        candidate_args={},
    )


def cpu_of(pid: int) -> float:
    """User and system time of a process, children it has waited for included, seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return sum(int(value) for value in fields[11:15]) / os.sysconf("SC_CLK_TCK")
