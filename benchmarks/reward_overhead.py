"""What the sandbox costs: 10,000 texts through a cheap reward, beside calling it directly in one process.

The reward is `cheap_reward.py`: regular expressions find the answer, which is compared; eight texts a call.
Directly means: one process that imports it and calls it. Pairs of runs, one of each kind, in turns; the
median of their ratios is held to at most 1.20, without start-up (the reward is imported on both sides) and
with it (an interpreter is started and the reward imported on both sides; the sandbox also ends its process).
Completions are of some 300 tokens, as reasoning models write at least; those of some 130 are measured, too,
and not held: the less a reward does with a text, the more its way into another process counts.

What is held is wall time, if the machine is idle enough to say: on a busy one the pair's two processes
wait for others, and the sandbox, which works on two processors at once, for more of them. Processor time of
all processes together is printed beside it.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))  # where the package is not installed

import cheap_reward

from vllm_migrate.reward.calling.function import FunctionScorer
from vllm_migrate.reward.calling.named_reward import RewardFunction
from vllm_migrate.reward.sample import Sample

TEXTS, PAIRS, MOST = 10_000, 11, 1.20
HELD, SHORT = 16, 7  # steps a completion has at most
REWARD = Path(cheap_reward.__file__)
RESULT = Path(__file__).parent / "results" / "reward_overhead.json"
WORDS = {
    "wall": "wall time, start-up excluded",
    "wall_whole": "wall time, start-up included",
    "cpu": "processor time, start-up excluded",
    "cpu_whole": "processor time, start-up included",
}


def direct(steps: int) -> dict[str, float]:
    """Seconds of a process that calls the reward: wall and processor time, with its start and without."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-I", "-B", str(REWARD), str(TEXTS), str(steps)],
        check=True,
        capture_output=True,
        text=True,
    )
    ready, start, wall, cpu, total = map(float, done.stdout.split())
    return {
        "wall": wall,
        "cpu": cpu,
        "wall_whole": ready - began + wall,
        "cpu_whole": start + cpu,
        "sum": total,
    }


def sandboxed(samples: list[Sample]) -> dict[str, float]:
    """The same through the sandbox."""
    cpu = _cpu()
    began = time.monotonic()
    with FunctionScorer(RewardFunction(REWARD, "reward"), batch=cheap_reward.BATCH) as scorer:
        scorer.open()
        opened, used = time.monotonic(), time.process_time() + _running()
        scores = scorer.score(samples)
        wall, used = time.monotonic() - opened, time.process_time() + _running() - used
    return {
        "wall": wall,
        "cpu": used,
        "wall_whole": time.monotonic() - began,
        "cpu_whole": _cpu() - cpu,
        "sum": sum(score.value or 0.0 for score in scores),
    }


def _cpu() -> float:
    """Processor seconds of this process and of those it has ended."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def _running() -> float:
    """Processor seconds of the processes below this one."""
    waiting, total = [os.getpid()], 0
    while waiting:
        for task in Path(f"/proc/{waiting.pop()}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                waiting.append(child)
                total += int(Path(f"/proc/{child}/schedstat").read_text().split()[0])
    return total / 1e9


def measure(steps: int) -> dict[str, object]:
    """All pairs with completions of so many steps."""
    prompts, completions, answers = cheap_reward.texts(TEXTS, steps)
    samples = [
        Sample(prompt, text, {"answer": answer}, group=number // 8, answer=answer)
        for number, (prompt, text, answer) in enumerate(zip(prompts, completions, answers, strict=True))
    ]
    pairs = []
    for turn in range(PAIRS):
        if turn % 2:
            plain, boxed = direct(steps), sandboxed(samples)
        else:
            boxed, plain = sandboxed(samples), direct(steps)
        if abs(plain["sum"] - boxed["sum"]) > 1e-6:  # noqa: PLR2004 - rounding
            raise SystemExit("the sandbox said something else than the reward")
        pairs.append({"direct": plain, "sandbox": boxed})
    size = sum(map(len, completions)) / TEXTS
    ratios = {
        name: statistics.median(pair["sandbox"][name] / pair["direct"][name] for pair in pairs)
        for name in WORDS
    }
    load = os.getloadavg()[0]
    print(f"{TEXTS:,} texts of {size:.0f} characters on average, {PAIRS} pairs, load {load:.1f}")
    for name, ratio in ratios.items():
        plain_ms, boxed_ms = (
            1e3 * statistics.median(pair[kind][name] for pair in pairs) for kind in ("direct", "sandbox")
        )
        print(f"{WORDS[name]:>34}: {ratio:.3f} (direct {plain_ms:.0f} ms, sandbox {boxed_ms:.0f} ms)")
    return {"characters": size, "load": load, "median_ratios": ratios, "pairs": pairs}


def main() -> int:
    """Run the pairs, print the figures, keep the raw results."""
    long, short = measure(HELD), measure(SHORT)
    ratios = long["median_ratios"]
    assert isinstance(ratios, dict)  # noqa: S101 - for the type checker
    held = all(ratios[name] <= MOST for name in ("wall", "wall_whole"))
    print(f"held to {MOST:.2f} of wall time: {'yes' if held else 'NO'}")
    result = {"texts": TEXTS, "python": sys.version.split()[0], "held": long, "short": short}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
