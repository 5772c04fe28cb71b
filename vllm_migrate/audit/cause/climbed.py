"""Which tokens the ladder climbs on, and the distances that a climb leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.audit.cause.steps import wanted_counterpart
from vllm_migrate.audit.evidence import reported

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from vllm_migrate.audit.cause.evidence import Changes, LadderRun
    from vllm_migrate.trace.model import Rollout

SHARE_OF_SAMPLES = 0.125  # of each prompt's completions; every prompt stays: they are what is resampled
FEWEST_TOKENS = 2048  # below it all completions are taken


def choose(rollouts: Sequence[Rollout]) -> list[int]:
    """Indices of the rollouts to replay: every prompt's first samples, an eighth where that is enough."""
    total = sum(len(rollout.token_ids) for rollout in rollouts)
    samples = max((rollout.sample for rollout in rollouts), default=0) + 1
    share = max(SHARE_OF_SAMPLES, FEWEST_TOKENS / max(total, 1))
    keep = min(samples, max(1, -(-int(samples * share * 1000) // 1000)))
    return [index for index, rollout in enumerate(rollouts) if rollout.sample < keep]


def distances(run: LadderRun, reference: NDArray[np.float64]) -> dict[Changes, NDArray[np.float64]]:
    """|d| per token against the reference under each set of changes, those without a counterpart left out.

    Args:
        run: the climb.
        reference: the reference's logprobs of the chosen rollouts, end to end.
    """
    found: dict[Changes, NDArray[np.float64]] = {}
    for changes, step_run in run.runs.items():
        if not step_run.records:
            continue
        wanted = wanted_counterpart(
            run.steps[name].counterpart for name in changes if run.steps[name].counterpart
        )
        side = reference
        if wanted and wanted in run.counterparts:
            side = reported(run.counterparts[wanted])
        elif wanted:
            continue
        with np.errstate(invalid="ignore"):
            found[changes] = np.abs(reported(step_run.records) - side)
    return found
