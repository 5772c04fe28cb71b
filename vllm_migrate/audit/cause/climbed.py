"""What came of a climb of the ladder: every replay under some changes, and the distances they leave."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.audit.cause.steps import LIVE, Step, wanted_counterpart
from vllm_migrate.audit.evidence import reported

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from vllm_migrate.trace.model import Rollout
    from vllm_migrate.workers.protocol import ReplayRecord

    Changes = frozenset[str]

SHARE_OF_SAMPLES = 0.125  # of each prompt's completions; every prompt stays: they are what is resampled
FEWEST_TOKENS = 2048  # below it all completions are taken


@dataclass(slots=True)
class StepRun:
    """One replay under some changes.

    Attributes:
        how: "live", "second-engine", "restart" or "signature" (not run).
        acted: the control, in words. note: what went wrong, or why it was not run.
    """

    records: list[ReplayRecord] = field(default_factory=list)
    how: str = LIVE
    acted: str = ""
    seconds: float = 0.0
    note: str = ""


@dataclass(slots=True)
class LadderRun:
    """What came of the climb.

    Attributes:
        on_probe: whether the tokens are those of the semantic probe.
        chosen: indices of the reference's rollouts that were replayed.
        steps: every step by name, in the order tried. alone: of steps that don't combine, their run.
        runs: by the set of steps in force; the empty set is the candidate as it is.
        counterparts: the reference's logprobs under changes of its own, by their sorted names.
        kept: names of the steps that removed something, in the order in which they were kept.
    """

    on_probe: bool
    chosen: list[int]
    steps: dict[str, Step] = field(default_factory=dict)
    alone: dict[str, StepRun] = field(default_factory=dict)
    runs: dict[Changes, StepRun] = field(default_factory=dict)
    counterparts: dict[tuple[str, ...], list[ReplayRecord]] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    note: str = ""


def choose(rollouts: Sequence[Rollout]) -> list[int]:
    """Indices of the rollouts to replay: every prompt's first samples, an eighth where that is enough."""
    total = sum(len(rollout.token_ids) for rollout in rollouts)
    samples = max((rollout.sample for rollout in rollouts), default=0) + 1
    share = max(SHARE_OF_SAMPLES, FEWEST_TOKENS / max(total, 1))
    keep = min(samples, max(1, -(-int(samples * share * 1000) // 1000)))
    return [index for index, rollout in enumerate(rollouts) if rollout.sample < keep]


def distances(
    run: LadderRun, reference: NDArray[np.float64]
) -> tuple[dict[Changes, NDArray[np.float64]], set[Changes]]:
    """|d| per token against the reference under each set of changes, and the sets that have no counterpart.

    Args:
        run: the climb.
        reference: the reference's logprobs of the chosen rollouts, end to end.
    """
    found: dict[Changes, NDArray[np.float64]] = {}
    lonely: set[Changes] = set()
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
            lonely.add(changes)
            continue
        with np.errstate(invalid="ignore"):
            found[changes] = np.abs(reported(step_run.records) - side)
    return found, lonely
