"""How fast is `vllm-migrate check`? CPU milliseconds per 1,000 Python lines, beside ruff in the same run.

    python benchmarks/check_speed.py TREE [--runs 5] [--ruff PATH] [--json FILE]

Both tools run as a user runs them, start-up included, taking turns so that a busy machine is busy for both.
Ruff runs without its cache. CPU time is the children's user and system time as the kernel counts it; medians
are reported, with the fastest and slowest run. `start-up` is `check` on an empty directory.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path


def cpu_seconds(command: list[str], folder: Path) -> float:
    """User and system time of one run. Exit codes 0 and 1 are results; anything else ends the benchmark."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        sys.exit(f"{command[0]} ended with {done.returncode}: {done.stderr.decode()[-500:]}")
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def python_lines(tree: Path) -> tuple[int, int]:
    """Python files and their lines, everything in the tree counted."""
    files = [path for path in tree.rglob("*.py") if path.is_file()]
    return len(files), sum(path.read_bytes().count(b"\n") for path in files)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tree", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--ruff", default=shutil.which("ruff") or str(Path(sys.executable).with_name("ruff")))
    parser.add_argument("--json", type=Path, help="write the raw runs there")
    args = parser.parse_args()
    tree = args.tree.resolve()
    files, lines = python_lines(tree)
    with tempfile.TemporaryDirectory() as empty:
        check = [sys.executable, "-m", "vllm_migrate", "check", "-q", "--output-file", os.devnull]
        jobs = {
            "check": ([*check, str(tree)], tree),
            "ruff": ([args.ruff, "check", "--no-cache", "--quiet", "--isolated", str(tree)], tree),
            "start-up": ([*check, empty], Path(empty)),
        }
        runs: dict[str, list[float]] = {name: [] for name in jobs}
        for _ in range(args.runs):
            for name, (command, folder) in jobs.items():
                runs[name].append(cpu_seconds(command, folder))
    print(f"{tree.name}: {files} Python files, {lines} lines, {args.runs} runs each")
    for name, times in runs.items():
        middle = statistics.median(times)
        per = f"{middle / lines * 1e6:7.2f} ms per 1,000 lines" if name != "start-up" else ""
        print(f"{name:>9}: {middle:.3f} CPU-s (from {min(times):.3f} to {max(times):.3f}) {per}")
    if args.json:
        result = {"tree": tree.name, "files": files, "lines": lines, "cpu_seconds": runs}
        args.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
