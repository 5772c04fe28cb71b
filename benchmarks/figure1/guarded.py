"""Feed every step of every finished run to the guard, as a training loop would, and keep what it decided.

    python benchmarks/figure1/guarded.py [--work DIR]

The loop itself goes on whatever the guard says, so that one sees what would have been missed. Needs the
tensors that `run.py` left in its work folder; the decisions are kept in `results/figure1/guard.json`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from arms import OBJECTIVES, arms, clip_range
from run import Journal, matrix
from train import Size

from vllm_migrate.engines.paths import cache_root
from vllm_migrate.guard import Action, Boundaries, PolicyGuard

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vllm_migrate.guard import Decision

RESULT = Path(__file__).resolve().parents[1] / "results" / "figure1" / "guard.json"


def decisions(folder: Path, objective: str) -> Iterable[Decision]:
    """What the guard says to each step of a run, in order.

    Tokens that the trainer itself would not sample (its top-p cut is not quite the engine's) are
    not trained on, and so stand outside the mask.
    """
    guard = PolicyGuard(Boundaries.default(), clip=clip_range(objective))
    for step, file in enumerate(sorted(folder.glob("*.npz"))):
        with np.load(file) as kept:
            trained = kept["mask"] & np.isfinite(kept["trainer"]) & np.isfinite(kept["previous"])
            yield guard.step(
                trainer_logprobs=kept["trainer"],
                previous_logprobs=kept["previous"],
                rollout_logprobs=kept["rollout"],
                mask=trained,
                rewards=kept["paid"],
                second_rewards=kept["rewards"],
                advantages=kept["advantages"],
                groups=kept["groups"],
                entropy=kept["entropy"],
                weight_lag=float(kept["weight_lag"]),
                step=step,
            )


def summary(decided: Iterable[Decision]) -> dict[str, Any]:
    """First stop, first step of each boundary's crossings, and how often it was crossed."""
    found: dict[str, Any] = {"stop": None, "boundary": "", "stage": "", "message": "", "crossed": {}}
    for decision in decided:
        for crossing in decision.crossings:
            entry = found["crossed"].setdefault(crossing.boundary, [decision.step, 0])
            entry[1] += 1
        if decision.action is Action.STOP and found["stop"] is None:
            stopping = next(one for one in decision.crossings if one.action is Action.STOP)
            found |= {
                "stop": decision.step,
                "boundary": stopping.boundary,
                "stage": stopping.stage.value,
                "message": stopping.message,
            }
    return found


def main() -> int:
    """Judge every finished run whose tensors are there."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else "")
    parser.add_argument("--work", type=Path, default=cache_root() / "figure1")
    given = parser.parse_args()
    journal = Journal(given.work, Size())
    rows = {
        run.name: summary(decisions(journal.tensors / run.name, run.objective))
        for part in matrix(list(arms()), OBJECTIVES)
        for run in part
        if journal.find(run) is not None and (journal.tensors / run.name).is_dir()
    }
    lines = ",\n ".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
    RESULT.write_text(f"{{\n {lines}\n}}\n", encoding="utf-8")
    print(f"{len(rows)} runs judged")
    return 0


if __name__ == "__main__":
    sys.exit(main())
