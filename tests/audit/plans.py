"""The plan of a small audit, of which a test says what it cares about."""

from __future__ import annotations

from pathlib import Path

from vllm_migrate.audit.figures.metrics import ClipRange
from vllm_migrate.audit.plan import build_plan
from vllm_migrate.prompts.files import PromptLine
from vllm_migrate.workers.protocol import SamplingSettings


def numbered(count):
    """That many prompts."""
    return tuple(PromptLine(f"prompt {i}") for i in range(count))


def a_plan(**wishes):
    """One prompt, four samples at temperature 0.7, V1's defaults against V0; `wishes` are `build_plan`'s."""
    usual = {
        "model": Path("model"),
        "prompts": numbered(1),
        "sampling": SamplingSettings(temperature=0.7),
        "samples": 4,
        "seed": 0,
        "clip": ClipRange(),
        "v0": "v0",
        "v1": "v1",
        "candidate_args": {},
    }
    return build_plan(**{**usual, **wishes})
