"""Does `reward` catch the model that was trained on confounded pairs, and pass the one trained on balanced?

    python benchmarks/rewards/models/measure.py                 # trains both first; needs an engine installed
    python benchmarks/rewards/models/measure.py --models FOLDER  # with balanced/ and confounded/ in it

Writes results/reward_models.json. Rollouts are seeded: 32 prompts, six completions each, length and
correctness independent.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

from lessons import BALANCED, CONFOUNDED, rollouts
from vllm_migrate.engines.registry import require
from vllm_migrate.reward.examine import examine
from vllm_migrate.reward.model import model_scorer
from vllm_migrate.reward.read import read_any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
PROMPTS, SAMPLES, SEED = 32, 6, 7
RESULTS = ROOT / "benchmarks" / "results" / "reward_models.json"


def main() -> None:
    """Train where needed, examine both, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=Path, help="trained already")
    parser.add_argument("--engine", default="v1", help="whose environment trains and scores")
    parser.add_argument("--select", default="", help="probes, commas between; all by default")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        models = arguments.models or Path(folder)
        rows = Path(folder) / "rollouts.jsonl"
        rows.write_text(
            "".join(json.dumps(row) + "\n" for row in rollouts(PROMPTS, SAMPLES, SEED)), encoding="utf-8"
        )
        found = {}
        for kind in (BALANCED, CONFOUNDED):
            if arguments.models is None:
                python = str(require(arguments.engine).python)
                script = [python, str(HERE / "train.py"), kind, "--output", str(models / kind)]
                subprocess.run(script, check=True)
            found[kind] = _examined(models / kind, rows, arguments.engine, arguments.select)
    arguments.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _examined(model: Path, rows: Path, engine: str, select: str) -> dict[str, object]:
    with model_scorer(model, transformers=engine) as scorer:
        report = examine(
            scorer,
            read_any(rows),
            reward=model.name,
            kind=scorer.kind,
            select=tuple(filter(None, select.split(","))),
        )
    verdict = report.verdict.value if report.verdict is not None else report.reason
    print(f"{model.name}: {verdict}")
    checks = {}
    for check in report.checks:
        figure = None if check.figure is None else round(check.figure.value, 4)
        checks[check.probe] = {"outcome": check.outcome.value, "figure": figure, "message": check.message}
        print(f"  {check.probe:16} {check.outcome.value:15} {check.message}")
    return {"verdict": verdict, "checks": checks}


if __name__ == "__main__":
    main()
