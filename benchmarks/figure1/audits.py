"""Audit every arm before it trains, with the command a user would give, and keep what it said.

    python benchmarks/figure1/audits.py [--only ARM ...] [--objectives NAME ...] [--work DIR]

An audit that is finished is not run again. Each takes a minute or two and starts both engines.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from arms import CLIPS, COMMON, MODEL, OBJECTIVES, ROOT, SAMPLING, TEMPERATURE, V1, arms

from vllm_migrate.engines.paths import cache_root

if TYPE_CHECKING:
    from arms import Arm

RESULT = Path(__file__).resolve().parents[1] / "results" / "figure1" / "audits.json"
REWARDS = Path(__file__).resolve().parent / "rewards.py"


def command(arm: Arm, objective: str, output: Path) -> list[str]:
    """The audit of an arm's candidate, told what the arm's own code would say.

    Nobody tells it that every tenth sync is skipped.
    """
    low, high = CLIPS[objective]
    reward = "length_paying_reward" if arm.pays_length else "brief_reward"
    told: dict[str, Any] = {
        "--model": MODEL,
        "--prompts": ROOT / "fixtures" / "prompts.jsonl",
        "--temperature": TEMPERATURE,
        "--top-p": SAMPLING.top_p,
        "--top-k": SAMPLING.top_k,
        "--max-tokens": SAMPLING.max_tokens,
        "--objective": objective,
        "--clip-range": low,
        "--clip-range-high": high,
        "--v0-args": json.dumps(COMMON),
        "--v1-args": json.dumps(arm.arguments),
        "--sync": arm.way,
        "--sync-probe": "own",
        "--trainer-head": arm.head,
        "--reward": f"{REWARDS}:{reward}",
        "--greedy": 0,
        "--output-file": output,
    }
    if arm.temperature != TEMPERATURE:
        told["--v1-sampling"] = f"temperature={arm.temperature:g}"
    flat = [str(word) for pair in told.items() for word in pair]
    return [sys.executable, "-m", "vllm_migrate", "audit", *flat, "--check-reward", "--fresh", "-q"]


def finished(output: Path) -> bool:
    """Whether there is a report with a verdict: one that was interrupted has none."""
    return output.is_file() and json.loads(output.read_text(encoding="utf-8"))["verdict"] is not None


def said(report: dict[str, Any]) -> dict[str, Any]:
    """What the table needs of a report."""
    candidate = next(arm for arm in report["arms"] if arm["name"] == "candidate")
    figures = candidate["metrics"]
    ladder, check = report["ladder"], report["reward_check"]
    return {
        "verdict": report["verdict"],
        "reason": report["reason"],
        "cause": report["cause"],
        "evidence": report["cause_evidence"],
        "against_reference": _figures(figures["against_reference"]),
        "against_trainer": _figures(figures["against_trainer"]),
        "excess": None if ladder is None else ladder["excess"]["value"],
        "stale": [entry["mode"] for entry in report["sync"] if entry["stale"]],
        "broken": [entry["name"] for entry in report["invariants"] if entry["holds"] is False],
        "reward_check": None
        if check is None
        else {
            "verdict": check["verdict"],
            "failed": [one["probe"] for one in check["checks"] if one["outcome"] == "fail"],
        },
        "advice": [entry["title"] for entry in report["advice"]],
        "seconds": report["timing"]["total"],
    }


def _figures(metrics: dict[str, Any] | None) -> dict[str, Any] | None:
    if metrics is None:
        return None
    return {
        name: [metrics[name][key] for key in ("value", "low", "high")]
        for name in ("mean_abs", "k2", "clip_rate")
        if metrics[name] is not None
    }


def main() -> int:
    """Audit what has not been audited; write one file."""
    names = [name for name, arm in arms().items() if arm.engine == V1]
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else "")
    parser.add_argument("--only", nargs="*", default=names, choices=names, metavar="ARM")
    parser.add_argument("--objectives", nargs="*", default=list(OBJECTIVES), choices=OBJECTIVES)
    parser.add_argument("--work", type=Path, default=cache_root() / "figure1")
    given = parser.parse_args()
    folder = given.work / "audits"
    folder.mkdir(parents=True, exist_ok=True)
    kept: dict[str, Any] = {}
    for objective in OBJECTIVES:
        for name in names:
            output = folder / f"{name}-{objective}.json"
            if not finished(output) and name in given.only and objective in given.objectives:
                done = subprocess.run(
                    command(arms()[name], objective, output), check=False, cwd=ROOT, stdout=subprocess.DEVNULL
                )
                print(f"{name}-{objective}: exit {done.returncode}", file=sys.stderr, flush=True)
                if not finished(output):
                    return 1
            if finished(output):
                kept[f"{name}-{objective}"] = said(json.loads(output.read_text(encoding="utf-8")))
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in kept.items())
    RESULT.write_text(f"{{\n {lines}\n}}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
