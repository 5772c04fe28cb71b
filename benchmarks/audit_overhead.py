"""What an audit costs beside what its engines need for the same tokens, start-up included and excluded.

An audit of the shipped model is run: V0 samples, V0 replays, V1 replays and samples, the trainer scores, and
the statistics are worked out. The same is then done without us: `bare_engine.py` starts plain vLLM in the
same environments with the same arguments, and generates as many tokens from the same prompts (sampled, or as
long as the completions that were replayed), with logprobs; plain transformers scores them. Two processes run
at once both times. Held to at most 1.15 in processor time, which other work on the machine disturbs little;
wall time is printed beside it.

`--whole` also times the audit that `vllm-migrate audit` runs by default, with its remedy, ladder and probe
of weight updates. Held to 360 seconds on two cores that do nothing else; the load is printed beside it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shipped import MODEL, SAMPLES, SAMPLING, cpu_of, shipped_plan

from vllm_migrate.audit.arms.shared import Shared
from vllm_migrate.audit.evidence import CANDIDATE, NOISE_FLOOR, REFERENCE
from vllm_migrate.audit.journal import Journal
from vllm_migrate.audit.replay import Replay
from vllm_migrate.audit.run import concluded, run_audit
from vllm_migrate.engines import registry
from vllm_migrate.workers.protocol import to_wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vllm_migrate.audit.evidence import Evidence
    from vllm_migrate.audit.plan import AuditPlan
    from vllm_migrate.audit.process import EngineProcess
    from vllm_migrate.engines.environment import EngineEnvironment
    from vllm_migrate.trace.model import Rollout

BARE = Path(__file__).parent / "bare_engine.py"
RESULT = Path(__file__).parent / "results" / "audit_overhead.json"
MOST, WHOLE = 1.15, 360.0
_TRAINER = "trainer"
_AT_WORK = ("sampling", "replaying", "tokenizing")


@dataclass(slots=True)
class Cost:
    """Seconds of one process: processor time until it was ready and afterwards, and wall time at work."""

    start: float = 0.0
    work: float = 0.0
    wall: float = 0.0


class _Clocked(Shared):
    """Notes what every process of an audit costs."""

    def __init__(self, plan: AuditPlan) -> None:
        super().__init__(plan, progress=self._told, journal=Journal())
        self.costs: dict[str, Cost] = {}
        self._pids: dict[str, int] = {}

    @contextmanager
    def process(self, environment: EngineEnvironment, arm: str) -> Iterator[EngineProcess]:
        """A process whose time is read before it is ended."""
        with super().process(environment, arm) as process:
            self._pids[arm] = int(process.client.hello()["pid"])
            self.costs[arm] = Cost()
            yield process
            cost = self.costs[arm]
            cost.work = cpu_of(self._pids[arm]) - cost.start

    def _told(self, arm: str, doing: str, done: int, of: int) -> None:
        """The engine is ready when it is first asked to do something."""
        del done, of
        cost = self.costs.get(arm)
        if cost is not None and doing in _AT_WORK and not cost.start:
            cost.start = cpu_of(self._pids[arm])


class _ClockedReplay(Replay):
    def __init__(self, plan: AuditPlan, v0: EngineEnvironment, v1: EngineEnvironment) -> None:
        super().__init__(plan, model_hash="", v0=v0, v1=v1, trace=None, progress=lambda *_: None)
        self.clocked = _Clocked(plan)
        self._shared = self.clocked


def main() -> int:
    """Measure, print, keep the raw results; 1 where a figure does not hold."""
    v0, v1 = registry.require("v0"), registry.require("v1")
    plan = shipped_plan()
    alone = replace(plan, remedy_additions={}, ladder="none", sync_probe="none")
    load = os.getloadavg()[0]
    parent, began = time.process_time(), time.monotonic()
    replay = _ClockedReplay(alone, v0, v1)
    evidence = replay.run()
    concluded(alone, evidence)
    ours_wall, ours_cpu = time.monotonic() - began, time.process_time() - parent
    costs = replay.clocked.costs
    for arm, cost in costs.items():
        cost.wall = sum(evidence.timing.get(f"{arm}.{stage}", 0.0) for stage in ("sample", "replay"))
    began = time.monotonic()
    bare = _without_us(evidence, alone, v0, v1)
    bare_wall = time.monotonic() - began
    ratios = {
        "cpu with start-up": (parent + ours_cpu + _sum(costs, "start", "work")) / _sum(bare, "start", "work"),
        "cpu without": (ours_cpu + _sum(costs, "work")) / _sum(bare, "work"),
        "wall with start-up": ours_wall / bare_wall,
        "wall without": (_sum(costs, "wall") + ours_cpu) / _sum(bare, "wall"),
    }
    found: dict[str, Any] = {
        "load": load,
        "tool": {"start": parent, "work": ours_cpu},
        "audit": {arm: _plain(cost) for arm, cost in costs.items()},
        "bare": {arm: _plain(cost) for arm, cost in bare.items()},
        "wall": {"audit": ours_wall, "bare": bare_wall},
        "ratios": ratios,
    }
    held = ratios["cpu with start-up"] <= MOST and ratios["cpu without"] <= MOST
    _print(found)
    if "--whole" in sys.argv:
        found["whole"] = _whole(plan)
        held = held and found["whole"]["wall"] <= WHOLE
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    limits = f"{MOST:g} in processor time" + (f", {WHOLE:g} s" if "whole" in found else "")
    print(f"held to {limits}: {'yes' if held else 'NO'}")
    return 0 if held else 1


def _whole(plan: AuditPlan) -> dict[str, Any]:
    """The audit as the command runs it."""
    load = os.getloadavg()[0]
    result = run_audit(replace(plan, fresh=True), lambda *_: None)
    verdict = "none" if result.verdict is None else result.verdict.value
    wall, cpu = result.timing["total"], result.timing["cpu"]
    print(
        f"whole audit: {wall:.0f} s wall, {cpu:.0f} s CPU, {verdict}, {result.cause.value} (load {load:.1f})"
    )
    return {
        "wall": wall,
        "cpu": cpu,
        "load": load,
        "verdict": verdict,
        "cause": result.cause.value,
        "timing": result.timing,
    }


def _without_us(
    evidence: Evidence, plan: AuditPlan, v0: EngineEnvironment, v1: EngineEnvironment
) -> dict[str, Cost]:
    """The same work in plain engines, two at once."""
    trace, candidate = evidence.trace, evidence.arms[CANDIDATE]
    prompts = {prompt.id: list(prompt.token_ids) for prompt in trace.prompts}
    drawn = _as_long(trace.rollouts, prompts)
    seeded = [{"seed": plan.seed + number} for number in range(len(prompts) * SAMPLES)]
    sampled = {
        "prompts": [ids for ids in prompts.values() for _ in range(SAMPLES)],
        "sampling": _params(),
        "each": seeded,
    }
    unseeded = {**sampled, "each": [{} for _ in seeded]}  # a CPU build can't cut the prefill of seeded ones
    scored = [_scored(rollouts, prompts) for rollouts in (trace.rollouts, candidate.rollouts)]
    with ThreadPoolExecutor(max_workers=2) as pool:
        futures = {
            REFERENCE: pool.submit(_bare, v0, "vllm", [sampled]),
            CANDIDATE: pool.submit(_bare, v1, "vllm", [drawn, unseeded]),
            NOISE_FLOOR: pool.submit(_bare, v0, "vllm", [drawn]),
            _TRAINER: pool.submit(_bare, v1, "trainer", scored),
        }
        return {arm: future.result() for arm, future in futures.items()}


def _params() -> dict[str, Any]:
    given = to_wire(SAMPLING)
    return {name: given[name] for name in ("temperature", "top_p", "top_k", "max_tokens")}


def _as_long(rollouts: Sequence[Rollout], prompts: dict[int, list[int]]) -> dict[str, Any]:
    """Completions as long as these."""
    return {
        "prompts": [prompts[rollout.prompt] for rollout in rollouts],
        "sampling": {**_params(), "ignore_eos": True},
        "each": [{"max_tokens": len(rollout.token_ids)} for rollout in rollouts],
    }


def _scored(rollouts: Sequence[Rollout], prompts: dict[int, list[int]]) -> dict[str, Any]:
    return {
        "prompts": [prompts[rollout.prompt] for rollout in rollouts],
        "completions": [list(rollout.token_ids) for rollout in rollouts],
        "temperature": SAMPLING.temperature,
    }


def _bare(environment: EngineEnvironment, kind: str, parts: list[dict[str, Any]]) -> Cost:
    """One plain process.

    Raises:
        RuntimeError: it failed; what it said last is in the message.
    """
    with tempfile.TemporaryDirectory(prefix="vllm-migrate-bare-") as folder:
        output = Path(folder) / "taken.json"
        job = {
            "kind": kind,
            "model": str(MODEL),
            "arguments": environment.harness,
            "parts": parts,
            "output": str(output),
        }
        done = subprocess.run(
            [str(environment.python), str(BARE)],
            input=json.dumps(job),
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            env=environment.variables(),
        )
        if not output.is_file():
            raise RuntimeError(f"plain {environment.name} failed: {done.stderr.strip()[-500:]}")
        taken = json.loads(output.read_text(encoding="utf-8"))
    return Cost(start=taken["start"][1], work=taken["work"][1], wall=taken["work"][0])


def _sum(costs: dict[str, Cost], *kinds: str) -> float:
    return sum(float(getattr(cost, kind)) for cost in costs.values() for kind in kinds)


def _plain(cost: Cost) -> dict[str, float]:
    return {"start": round(cost.start, 2), "work": round(cost.work, 2), "wall": round(cost.wall, 2)}


def _print(found: dict[str, Any]) -> None:
    print(f"{'CPU seconds':<14} {'start':>12} {'work':>14}   (audit / plain; load {found['load']:.1f})")
    for arm, plain in found["bare"].items():
        ours = found["audit"][arm]
        starts = f"{ours['start']:>5.1f} /{plain['start']:>5.1f}"
        print(f"{arm:<14} {starts} {ours['work']:>6.2f} /{plain['work']:>6.2f}")
    tool = found["tool"]
    print(f"{'tool itself':<14} {tool['start']:>5.1f}        {tool['work']:>6.2f}")
    for name, ratio in found["ratios"].items():
        print(f"audit / plain, {name:<20} {ratio:.2f}")


if __name__ == "__main__":
    sys.exit(main())
