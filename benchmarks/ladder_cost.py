"""What a ladder of five rungs costs beside one run of the candidate, start-up included and excluded.

One V1 engine does what the audit has the candidate do (start, replay of the reference's tokens, own
samples), then climbs the first five rungs that the product's own code names. The ratio is (candidate +
ladder) / candidate. Held to at most 1.3 with start-up and 2 without, in processor time of the engine, since
wall time on a busy machine says more about the machine; both are printed.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from shipped import MODEL, SAMPLES, SAMPLING, cpu_of, shipped_plan

from vllm_migrate.audit.cause.ladder import Climb
from vllm_migrate.audit.cause.live_engine import LiveEngine
from vllm_migrate.audit.cause.steps import suspects
from vllm_migrate.audit.process import EngineProcess
from vllm_migrate.engines import registry
from vllm_migrate.trace.model import Prompt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vllm_migrate.audit.cause.evidence import Step

RESULT = Path(__file__).parent / "results" / "ladder_cost.json"
RUNGS = 5
MOST_WITH, MOST_WITHOUT = 1.3, 2.0


class Clock:
    """Wall seconds and an engine process's processor seconds, by stage."""

    def __init__(self, process: EngineProcess) -> None:
        self._pid = int(process.client.hello()["pid"])
        self.stages: dict[str, dict[str, float]] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure what runs inside."""
        wall, cpu = time.monotonic(), cpu_of(self._pid)
        yield
        self.stages[name] = {
            "wall": round(time.monotonic() - wall, 3),
            "cpu": round(cpu_of(self._pid) - cpu, 3),
        }

    def total(self, kind: str, *names: str) -> float:
        """Seconds of some stages."""
        return sum(self.stages[name][kind] for name in names)


def main() -> int:
    """Measure, print, keep the raw results."""
    environment = registry.require("v1")
    plan = replace(shipped_plan(), ladder="all")
    lines = plan.prompts
    process = EngineProcess(environment, "candidate", MODEL, lambda *_: None, {})
    clock = Clock(process)
    try:
        with clock.stage("start"):
            run = process.load("candidate", {})
        ids = process.tokenize([line.text for line in lines])
        prompts = tuple(Prompt(i, line.text, tuple(ids[i])) for i, line in enumerate(lines))
        process.client.flip("logprobs_mode", "processed_logprobs")
        rollouts = process.sample("reference", prompts, SAMPLING, samples=SAMPLES, seed=1)
        process.client.flip("logprobs_mode", "raw_logprobs")
        with clock.stage("replay"):
            process.force("candidate", prompts, rollouts, SAMPLING)
        with clock.stage("sample"):
            process.sample("candidate", prompts, SAMPLING, samples=SAMPLES, seed=0)

        def five(observed: Mapping[str, int]) -> list[Step]:
            found = suspects(
                plan,
                run.loaded.settings,
                observed,
                SAMPLING,
                reference=run.loaded.settings,
                defaults={},
            )
            live = [s for s in found if s.flips or not s.arguments]
            return [s for s in live if not (s.obstacle or s.reference_only)][:RUNGS]

        with (
            clock.stage("ladder"),
            LiveEngine(
                process, lambda: process_again(environment), {}, arm="ladder", together=True
            ) as engine,
        ):
            climbed = Climb(engine, prompts, rollouts, SAMPLING).run(five)
    finally:
        process.client.close()
    return report(clock, climbed.steps, len(climbed.runs) + len(climbed.alone))


@contextmanager
def process_again(environment: object) -> Iterator[EngineProcess]:
    """No rung of this ladder may need another engine."""
    raise RuntimeError(f"a rung wanted another engine of {environment}")
    yield  # pragma: no cover - makes this a generator


def report(clock: Clock, steps: Mapping[str, Step], replays: int) -> int:
    """Print both ratios and keep the raw results; 1 where a figure does not hold."""
    ratios = {}
    for kind in ("cpu", "wall"):
        ladder = clock.total(kind, "ladder")
        work, start = clock.total(kind, "replay", "sample"), clock.total(kind, "start")
        ratios[kind] = {
            "with_start": (start + work + ladder) / (start + work),
            "without_start": (work + ladder) / work,
        }
    print(f"ladder of {len(steps)} rungs, {replays} replays: {', '.join(steps)}")
    for name, seconds in clock.stages.items():
        print(f"  {name:<7} {seconds['wall']:6.1f} s wall {seconds['cpu']:6.1f} s CPU")
    for kind, found in ratios.items():
        print(
            f"  candidate and ladder / candidate, {kind}: {found['with_start']:.2f} with start-up,"
            f" {found['without_start']:.2f} without"
        )
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(
        json.dumps(
            {"rungs": list(steps), "replays": replays, "stages": clock.stages, "ratios": ratios}, indent=2
        )
        + "\n",
        encoding="utf-8",
    )
    held = ratios["cpu"]["with_start"] <= MOST_WITH and ratios["cpu"]["without_start"] <= MOST_WITHOUT
    print(f"held to {MOST_WITH:g} and {MOST_WITHOUT:g}: {'yes' if held and len(steps) == RUNGS else 'NO'}")
    return 0 if held and len(steps) == RUNGS else 1


if __name__ == "__main__":
    sys.exit(main())
