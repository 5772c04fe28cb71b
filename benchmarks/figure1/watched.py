"""Ask `vllm-migrate watch` when each arm's seeds left V0's, and a fault's those of the arm without it.

python benchmarks/figure1/watched.py    # from the committed results to results/figure1/watch.json
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from arms import REPAIRED, ROOT, V0, arms
from outcome import FIGURE, load
from run import RESULTS

if TYPE_CHECKING:
    from outcome import Curves

RESULT = RESULTS / "watch.json"


def export(curves: Curves, folder: Path) -> Path:
    """The arm's runs as a run directory of CSV logs, one a seed."""
    for number, seed in enumerate(curves.seeds):
        file = folder / f"{curves.arm}-{curves.objective}" / f"seed-{seed}.csv"
        file.parent.mkdir(exist_ok=True)
        with file.open("w", newline="", encoding="utf-8") as log:
            rows = csv.writer(log)
            rows.writerow(["step", *FIGURE])
            columns = [curves.of[metric][number] for metric in FIGURE]
            rows.writerows([step, *values] for step, values in enumerate(zip(*columns, strict=True)))
    return folder / f"{curves.arm}-{curves.objective}"


def watch(reference: Path, candidate: Path) -> dict[str, Any]:
    """What the command says of two directories of runs."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "vllm_migrate", "watch", "-q", "--output-format", "json"),
            *("--reference", f"{reference}/*.csv", "--candidate", f"{candidate}/*.csv"),
        ],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    if not done.stdout:
        raise RuntimeError(f"watch said nothing: {done.stderr}")
    report: dict[str, Any] = json.loads(done.stdout)
    return {
        "verdict": report["verdict"],
        "left": {
            metric["name"]: {key: metric["left"][key] for key in ("step", "seen", "size", "worse")}
            for metric in report["metrics"]
            if metric["left"] is not None
        },
    }


def main() -> int:
    """Compare every arm with V0 under the same objective."""
    kept = load()
    found = {}
    with tempfile.TemporaryDirectory(prefix="figure1-") as folder:
        logs = {key: export(curves, Path(folder)) for key, curves in kept.items()}
        for (arm, objective), log in logs.items():
            for reference in (V0, REPAIRED):
                apt = arm != V0 if reference == V0 else arms()[arm].fault
                if apt and (reference, objective) in logs:
                    found[f"{arm}-{objective} against {reference}"] = watch(logs[reference, objective], log)
    lines = ",\n ".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in found.items())
    RESULT.write_text(f"{{\n {lines}\n}}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
