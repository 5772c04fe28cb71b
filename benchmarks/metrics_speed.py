"""Metrics and bootstrap over ten million token pairs, and over a hundred million: seconds and peak memory.

Held to, for ten million: at most 2 s and 1 GB; a hundred million come in blocks of a million and are held to
the same memory. Each case runs in a process of its own, so that its peak memory is its own.
The work is single-threaded, so on an idle machine wall and processor time are the same; processor time is
what is held, because wall time on a busy machine says more about the machine.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

TOKENS = 10_000_000
PROMPTS = (1_000, 10_000, 100_000)
BLOCK, BLOCKS, PER_PROMPT = 1_000_000, 100, 3_000
MOST_SECONDS, MOST_BYTES = 2.0, 1_000_000_000
RESULT = Path(__file__).parent / "results" / "metrics_speed.json"


def measure(prompts: int) -> dict[str, float]:
    """One comparison from two logprob arrays to all metrics with intervals."""
    import numpy as np  # noqa: PLC0415 - in the child alone

    from vllm_migrate.audit.decide.judge import compare  # noqa: PLC0415 - same
    from vllm_migrate.audit.figures.metrics import ClipRange  # noqa: PLC0415 - same

    generator = np.random.default_rng(0)
    sampler = -generator.exponential(size=TOKENS)
    other = sampler + generator.normal(0, 0.02, TOKENS)
    of_prompt = np.repeat(np.arange(prompts), TOKENS // prompts)
    started, cpu = time.perf_counter(), time.process_time()
    metrics = compare(sampler, other, of_prompt, clip=ClipRange(), policy_is_other=True).metrics
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    assert metrics.tokens == TOKENS  # noqa: S101 - the figure is worth nothing if tokens were lost
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"prompts": prompts, "seconds": seconds, "cpu_seconds": cpu_seconds, "peak_bytes": peak}


def measure_stream() -> dict[str, float]:
    """A hundred million pairs in blocks; making the blocks is not counted."""
    import numpy as np  # noqa: PLC0415 - in the child alone

    from vllm_migrate.audit.decide.statistics import bootstrap_metrics  # noqa: PLC0415 - same
    from vllm_migrate.audit.figures.metrics import ClipRange, Reducer  # noqa: PLC0415 - same

    generator = np.random.default_rng(0)
    reducer = Reducer(ClipRange(), policy_is_other=True)
    cpu = 0.0
    started = time.perf_counter()
    for block in range(BLOCKS):
        sampler = -generator.exponential(size=BLOCK)
        other = sampler + generator.normal(0, 0.02, BLOCK)
        of_prompt = np.arange(block * BLOCK, (block + 1) * BLOCK) // PER_PROMPT
        began = time.process_time()
        reducer.add(sampler, other, of_prompt)
        cpu += time.process_time() - began
    began = time.process_time()
    sums = reducer.result()
    bootstrap_metrics(sums)
    cpu += time.process_time() - began
    assert sums.total("tokens") == BLOCK * BLOCKS  # noqa: S101 - the figure is worth nothing if tokens were lost
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    seconds = time.perf_counter() - started
    return {"prompts": len(sums.sums), "seconds": seconds, "cpu_seconds": cpu, "peak_bytes": peak}


def main() -> int:
    """Run every case, print the figures, keep the raw results."""
    if len(sys.argv) > 1:
        print(json.dumps(measure_stream() if sys.argv[1] == "stream" else measure(int(sys.argv[1]))))
        return 0
    rows = []
    for prompts in PROMPTS:
        done = subprocess.run(
            [sys.executable, __file__, str(prompts)], check=True, capture_output=True, text=True
        )
        rows.append(json.loads(done.stdout))
        row = rows[-1]
        print(
            f"{TOKENS:,} token pairs, {prompts:>7,} prompts: {row['seconds']:.2f} s wall,"
            f" {row['cpu_seconds']:.2f} s CPU, peak {row['peak_bytes'] / 1e9:.2f} GB"
        )
    done = subprocess.run([sys.executable, __file__, "stream"], check=True, capture_output=True, text=True)
    stream = json.loads(done.stdout)
    print(
        f"{BLOCK * BLOCKS:,} token pairs in blocks, {stream['prompts']:,} prompts:"
        f" {stream['cpu_seconds']:.2f} s CPU, peak {stream['peak_bytes'] / 1e9:.2f} GB"
    )
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(
        json.dumps(
            {"tokens": TOKENS, "python": sys.version.split()[0], "runs": rows, "stream": stream}, indent=2
        )
        + "\n"
    )
    held = all(row["cpu_seconds"] <= MOST_SECONDS and row["peak_bytes"] <= MOST_BYTES for row in rows)
    held &= stream["peak_bytes"] <= MOST_BYTES
    print(
        f"held to {MOST_SECONDS:g} s of processor time and {MOST_BYTES / 1e9:g} GB: {'yes' if held else 'NO'}"
    )
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
