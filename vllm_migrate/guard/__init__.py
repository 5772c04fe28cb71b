"""Boundaries while training: every step measured, and stopped with a reason when it leaves them.

    guard = PolicyGuard()
    decision = guard.step(trainer_logprobs=..., rollout_logprobs=..., mask=...)
    decision.raise_if_stopped()

Imports neither torch nor numpy by itself: the arrays are the caller's.
"""

from __future__ import annotations

from vllm_migrate.errors import BoundaryError, TrainingStopped
from vllm_migrate.guard.attach import attach
from vllm_migrate.guard.boundaries import Boundaries, Boundary
from vllm_migrate.guard.decision import Crossing, Decision
from vllm_migrate.guard.measured import Measured
from vllm_migrate.guard.policy_guard import PolicyGuard
from vllm_migrate.guard.project import project_boundaries
from vllm_migrate.guard.stages import Action, Stage

__all__ = [
    "Action",
    "Boundaries",
    "Boundary",
    "BoundaryError",
    "Crossing",
    "Decision",
    "Measured",
    "PolicyGuard",
    "Stage",
    "TrainingStopped",
    "attach",
    "project_boundaries",
]
