"""How fast are `check` and `rewrite`? CPU milliseconds per 1,000 Python lines, beside ruff in the same run.

    python benchmarks/check_speed.py [TREE ...] [--runs 5] [--ruff PATH] [--json FILE]

Without a tree one is generated, the same every time, in which a tenth of the files use vLLM, as many as in
repositories of RL frameworks. The dense tree, in which every file does, is always generated. Its lines are as
full as theirs: about five syntax nodes a line. Every line counts, also in a file that is left out.

All tools run as a user runs them, start-up included, one process for all trees, taking turns so that a busy
machine is busy for all. Python's bytecode is cached, as pip leaves it; ruff's cache is off. CPU time is the
children's user and system time as the kernel counts it. Medians are reported with the fastest run; on a busy
or slow machine the ratio to ruff says more than milliseconds do.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HELD_TO = {"check": 5.0, "dense": 40.0, "rewrite": 30.0}
"""Milliseconds per 1,000 lines, check and rewrite on verl 0.4.1 and OpenRLHF 0.5.9.post1 together."""
RUFF_THEN = 1.2
"""What ruff took on those trees on the machine for which the figures were set."""
COLD_START = 0.2
"""CPU seconds of a `check` with nothing to find."""
NOT_LOADED = ("libcst", "numpy", "torch", "vllm")

_PLAIN = '''
def reduce_{n}(values, weights, *, clip=0.{d}, eps=1e-8):
    """Weighted mean of the values between the clip bounds.

    Values beyond a bound count as the bound, as in the objective whose gradient this one is compared with;
    what that means for the estimate of its variance is discussed in the notes on clipping.

    Args:
        values: one per token; nothing is changed in place, so that callers may hand in views.
        weights: how much each of them counts. They need not sum to one.
        clip: distance of either bound from zero, before it is scaled.
        eps: keeps the division defined where no token counts.

    Returns:
        the mean, the number of values it was taken over, and the name it is logged under.
    """
    # The first pass collects both sums, so that an iterator is read once only.
    total, norm = 0.0, eps

    for index, (value, weight) in enumerate(zip(values, weights)):
        if abs(value) > {n} * clip:
            value = clip if value > 0 else -clip
        total += weight * value
        norm += weight if index % {m} else 1.0
    return {{"mean": total / norm, "count": len(values), "name": "reduce_{n}"}}


class Buffer{n}:
    """Keeps the newest items and hands out the least urgent ones first.

    Attributes:
        size: the most items that are kept; the oldest goes when one more comes.
        device: where the tensors in them lie. They are not moved, whoever pushes them.
        items: pairs of an item and its priority, oldest first.
    """

    def __init__(self, size={n}, device="cuda:{d}"):
        self.size = size
        self.device = device
        self.items = []

    def push(self, item, *, priority=0.{d}):
        # Dropping from the front is linear, which at these sizes nobody has noticed yet.
        if len(self.items) >= self.size:
            self.items.pop(0)
        self.items.append((item, priority))
        return len(self.items)

    def sample(self, count, generator=None):
        picked = [self.items[(i * {m}) % len(self.items)] for i in range(count)]
        return [item for item, priority in sorted(picked, key=lambda pair: pair[1])]
'''
_VLLM = '''
class Rollout{n}:
    """Samples completions with the current policy and returns what the loss needs of them.

    The engine shares its device with the trainer, hence the small share of the memory; its weights are
    overwritten after each step of the optimizer.
    """

    def __init__(self, model_path, config):
        self.llm = LLM(
            model=model_path,
            swap_space=config.swap_space,
            gpu_memory_utilization=0.{d},
            seed=config.seed + {n},
        )
        self.sampling_params = SamplingParams(temperature=1.0, top_p=0.9, logprobs=1, max_tokens={n})

    def generate(self, batch, *, repeat={m}):
        prompts = [row["prompt"] for row in batch for _ in range(repeat)]
        outputs = self.llm.generate(prompts, self.sampling_params, use_tqdm=False)
        logprobs = [[step[token].logprob for token, step in zip(o.token_ids, o.logprobs)]
                    for result in outputs for o in result.outputs]
        return {{"texts": [o.outputs[0].text for o in outputs], "logprobs": logprobs}}

    def sync(self, state):
        model = self.llm.llm_engine.model_executor.driver_worker.model_runner.model
        model.load_weights((name, value) for name, value in state.items())
'''


def write_tree(folder: Path, *, plain: int, dense: int) -> Path:
    """A tree of modules, `dense` of which use vLLM."""
    for number in range(plain + dense):
        uses = number % (plain + dense) < dense
        head = "from vllm import LLM, SamplingParams\n" if uses else "import math\n"
        parts = [(_VLLM if uses and block == 0 else _PLAIN) for block in range(6)]
        body = "".join(
            part.format(n=10 * number + block, d=1 + block, m=2 + number % 7)
            for block, part in enumerate(parts)
        )
        path = folder / f"package_{number % 20:02}" / f"module_{number:03}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'"""Module {number}."""\n\n{head}\n{body}', encoding="utf-8")
    return folder


def cpu_seconds(command: list[str], folder: Path, cache: Path) -> float:
    """User and system time of one run. Exit codes 0 and 1 are results; anything else ends the benchmark."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(cache)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    root = str(Path(__file__).resolve().parents[1])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, environment.get("PYTHONPATH")]))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        sys.exit(f"{command[0]} ended with {done.returncode}: {done.stderr.decode()[-500:]}")
    for package in NOT_LOADED if "importtime" in command else ():
        if f"| {package}\n" in done.stderr.decode():
            sys.exit(f"`check` imports {package}")
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def python_lines(trees: list[Path]) -> tuple[int, int]:
    """Python files and their lines, everything in the trees counted."""
    files = [path for tree in trees for path in tree.rglob("*.py") if path.is_file()]
    return len(files), sum(path.read_bytes().count(b"\n") for path in files)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor()
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "load_average": round(os.getloadavg()[0], 1),
    }


def measure(trees: list[Path], workplace: Path, runs: int, ruff: str) -> dict[str, Any]:
    """All runs of all tools."""
    empty = workplace / "empty"
    empty.mkdir()
    dense = write_tree(workplace / "dense", plain=0, dense=240)
    script = Path(sys.executable).with_name("vllm-migrate")
    tool = [str(script)] if script.is_file() else [sys.executable, "-m", "vllm_migrate"]
    quiet = ["-q", "--output-file", os.devnull]
    jobs = {
        "check": [*tool, "check", *quiet, *map(str, trees)],
        "ruff": [ruff, "check", "--no-cache", "--quiet", "--isolated", *map(str, trees)],
        "rewrite": [*tool, "rewrite", "--diff", "--unsafe-fixes", *quiet, *map(str, trees)],
        "dense": [*tool, "check", *quiet, str(dense)],
        "cold start": [*tool, "check", *quiet, str(empty)],
    }
    cache = workplace / "bytecode"
    check = [sys.executable, "-X", "importtime", "-m", "vllm_migrate", *jobs["check"][len(tool) :]]
    cpu_seconds(check, workplace, cache)
    cpu_seconds(jobs["rewrite"], workplace, cache)  # both write the bytecode that the runs below find
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(runs):
        for name, command in jobs.items():
            seconds[name].append(round(cpu_seconds(command, workplace, cache), 4))
    sizes = {"tree": python_lines(trees), "dense": python_lines([dense])}
    return {
        "machine": machine(),
        "trees": [tree.name for tree in trees],
        "sizes": {name: {"files": size[0], "lines": size[1]} for name, size in sizes.items()},
        "cpu_seconds": seconds,
        "not_imported_by_check": list(NOT_LOADED),
    }


def show(result: dict[str, Any]) -> None:
    """Print the figures beside what they are held to."""
    sizes, seconds = result["sizes"], result["cpu_seconds"]
    print(f"{', '.join(result['trees'])}: {sizes['tree']['files']} files, {sizes['tree']['lines']} lines")
    print(f"dense: {sizes['dense']['files']} files, {sizes['dense']['lines']} lines; {result['machine']}")
    per = {
        name: {kind: pick(times) * 1e6 / sizes["dense" if name == "dense" else "tree"]["lines"]
               for kind, pick in (("median", statistics.median), ("best", min))}
        for name, times in seconds.items() if name != "cold start"
    }  # fmt: skip
    for name, figures in per.items():
        held = f", held to {HELD_TO[name]:g}" if name in HELD_TO else ""
        print(
            f"{name:>10}: {figures['median']:6.2f} ms per 1,000 lines (best {figures['best']:.2f}){held}; "
            f"{figures['median'] / per['ruff']['median']:.1f} times ruff"
            + (f" ({HELD_TO[name] / RUFF_THEN:.1f} there)" if name in HELD_TO else "")
        )
    cold = seconds["cold start"]
    print(f"cold start: {statistics.median(cold):.3f} CPU-s (best {min(cold):.3f}), held to {COLD_START}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trees", type=Path, nargs="*")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--ruff", default=shutil.which("ruff") or str(Path(sys.executable).with_name("ruff")))
    parser.add_argument("--json", type=Path, help="write the raw runs there")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workplace = Path(folder)
        generated = [] if args.trees else [write_tree(workplace / "generated", plain=216, dense=24)]
        trees = [tree.resolve() for tree in args.trees] or generated
        result = measure(trees, workplace, args.runs, args.ruff)
    show(result)
    if args.json:
        args.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
