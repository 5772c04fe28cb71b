"""How fast is it beside tools of its kind? One run, the same trees, one process each, CPU time.

    python benchmarks/peers_speed.py [TREE ...] [--runs 5] [--peers FOLDER] [--json FILE]

Without trees, verl 0.4.1 and OpenRLHF 0.5.9.post1 are downloaded as `recall/corpus.toml` names them. The
peers are installed into an environment of their own, in FOLDER or thrown away afterwards. Every tool does
what a user would have it do over a whole tree without changing a file, start-up included; none may use a
cache of results. They take turns, so that a busy machine is busy for all; medians and the ratio to ruff are
printed.

Fixit and bump-pydantic need minutes for such trees, so they run once, over the last tree alone. What the
tools look for differs; the figures say what a run costs, not which tool is better made.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent / "recall"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from check_speed import cpu_seconds, machine, python_lines
from fetch import repositories
from trees import fetch_wheel, folder_of

PEERS = {
    "ruff": "0.17.6",
    "ast-grep-cli": "0.51.1",
    "django-upgrade": "1.33.0",
    "fixit": "2.2.1",
    "bump-pydantic": "0.8.0",
}
TREES = (("verl", "0.4.1"), ("openrlhf", "0.5.9.post1"))
SLOW = ("fixit", "bump-pydantic")
"""What runs once, over the last tree."""


def install(folder: Path) -> Path:
    """The peers in an environment of their own; returns where their commands are."""
    commands = folder / "bin"
    if not commands.is_dir():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    wanted = [f"{name}=={version}" for name, version in PEERS.items()]
    pip = [str(commands / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", *wanted], check=True)
    return commands


def default_trees(folder: Path) -> list[Path]:
    """The pinned trees, downloaded."""
    trees = []
    for row in repositories():
        if (row["name"], row["version"]) in TREES:
            tree = folder_of(row, folder)
            tree.mkdir(parents=True)
            fetch_wheel(row, tree)
            trees.append(tree)
    return sorted(trees, key=lambda tree: tree.name, reverse=True)


def jobs(commands: Path, trees: list[str], workplace: Path) -> dict[str, list[str]]:
    """What every tool is asked to do, in `workplace`, where the trees lie."""
    files = [str(path.relative_to(workplace)) for tree in trees for path in (workplace / tree).rglob("*.py")]
    script = Path(sys.executable).with_name("vllm-migrate")
    ours = [str(script)] if script.is_file() else [sys.executable, "-m", "vllm_migrate"]
    quiet = ["-q", "--output-file", os.devnull]
    return {
        "check": [*ours, "check", *quiet, *trees],
        "rewrite --diff": [*ours, "rewrite", "--diff", "--unsafe-fixes", *quiet, *trees],
        "ruff": [str(commands / "ruff"), "check", "--no-cache", "--quiet", "--isolated", *trees],
        "ast-grep": [str(commands / "ast-grep"), "run", "--lang", "py", "--pattern", "LLM($$$A)", *trees],
        "django-upgrade": [
            str(commands / "django-upgrade"), "--check", "--target-version", "5.2", *sorted(files),
        ],
        "fixit": [str(commands / "fixit"), "lint", trees[-1]],
        "bump-pydantic": [str(commands / "bump-pydantic"), "--diff", trees[-1]],
    }  # fmt: skip


def measure(trees: list[Path], workplace: Path, commands: Path, runs: int) -> dict[str, Any]:
    """All runs of all tools over copies of the trees."""
    for tree in trees:
        shutil.copytree(tree, workplace / tree.name)
    names = [tree.name for tree in trees]
    wanted = jobs(commands, names, workplace)
    cache = workplace / "bytecode"
    for name in ("check", "rewrite --diff", "django-upgrade"):
        cpu_seconds(wanted[name], workplace, cache)  # writes the bytecode that the runs below find
    seconds: dict[str, list[float]] = {name: [] for name in wanted}
    for turn in range(runs):
        for name, command in wanted.items():
            if turn == 0 or name not in SLOW:
                seconds[name].append(round(cpu_seconds(command, workplace, cache), 4))
    lines = {name: python_lines(trees[-1:] if name in SLOW else trees)[1] for name in wanted}
    return {
        "machine": machine(),
        "peers": PEERS,
        "trees": names,
        "lines": lines,
        "commands": {
            name: [Path(command[0]).name, *(word for word in command[1:] if not word.endswith(".py"))]
            for name, command in wanted.items()
        },
        "cpu_seconds": seconds,
    }


def show(result: dict[str, Any]) -> None:
    """Print milliseconds per 1,000 lines and the ratio to ruff."""
    print(f"{', '.join(result['trees'])}: {result['lines']['ruff']} lines; {result['machine']}")
    per = {
        name: statistics.median(times) * 1e6 / result["lines"][name]
        for name, times in result["cpu_seconds"].items()
    }
    for name, figure in sorted(per.items(), key=lambda item: item[1]):
        runs = len(result["cpu_seconds"][name])
        best = min(result["cpu_seconds"][name]) * 1e6 / result["lines"][name]
        times = f"{figure / per['ruff']:8.1f} times ruff"
        print(f"{name:>15}: {figure:9.2f} ms per 1,000 lines (best {best:.2f}, {runs} runs), {times}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trees", type=Path, nargs="*")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--peers", type=Path, help="keep the peers' environment there")
    parser.add_argument("--json", type=Path, help="write the raw runs there")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        commands = install((args.peers or folder / "peers").resolve())
        trees = [tree.resolve() for tree in args.trees] or default_trees(folder / "trees")
        workplace = folder / "work"
        workplace.mkdir()
        result = measure(trees, workplace, commands, args.runs)
    show(result)
    if args.json:
        args.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
