"""One run: rollouts from a live engine, steps by the learner, weights back into the engine."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arms import CLIPS, MODEL, ROOT, SAMPLING, arms

from vllm_migrate.engines import registry
from vllm_migrate.engines.client import EngineClient
from vllm_migrate.workers import protocol as wire
from vllm_migrate.workers import sync_protocol as sync_wire

sys.path.insert(0, str(ROOT / "fixtures"))

from make_prompts import rows as prompt_rows
from rewards import brief_reward
from task import Exercise

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from arms import Arm
    from typing_extensions import Self

LEARNER = Path(__file__).resolve().parent / "learner.py"
_NUMBERS = itertools.count()


@dataclass(frozen=True, slots=True)
class Size:
    """How much a run does; `learning_rate` of AdamW, constant."""

    steps: int = 30
    prompts: int = 16
    group: int = 4
    learning_rate: float = 2e-5
    max_grad_norm: float = 1.0


@dataclass(frozen=True, slots=True)
class Run:
    """One of the matrix."""

    arm: str
    objective: str
    seed: int

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"{self.arm}-{self.objective}-{self.seed}"


class Learner:
    """The trainer's process."""

    def __init__(self, log: Path) -> None:
        environment = registry.require("v1")
        variables = {**environment.variables(), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [str(environment.python), str(LEARNER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=variables,
                text=True,
                start_new_session=True,  # a Ctrl-C reaches the matrix alone, which lets the step end
            )
        self._log = log

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """One request and its answer."""
        process = self._process
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the learner has no pipes")
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": f"it ended; see {self._log}"}
        if "error" in answer:
            raise RuntimeError(f"the learner: {answer['error']}")
        return answer

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


class Bench:
    """One engine process and one learner, for run after run.

    Arms with other arguments of one release get other engines in the same process, which takes two seconds
    instead of twenty. Each run begins with the start checkpoint's weights and an empty cache.

    Attributes:
        loaded: what came up for the last run.

    Args:
        generation: "v0" or "v1".
        folder: where checkpoints and logs are written.
    """

    loaded: wire.Loaded

    def __init__(self, generation: str, folder: Path) -> None:
        self.generation = generation
        self._serial = 0
        number = next(_NUMBERS)
        self._checkpoints = folder / "checkpoints" / f"{os.getpid()}-{number}"
        self._client = EngineClient(
            registry.require(generation), name=f"figure1-{generation}", variables={"OMP_NUM_THREADS": "1"}
        )
        self._engines: dict[str, wire.Loaded] = {}
        self._learner = Learner(folder / f"learner-{number}.log")

    def __enter__(self) -> Self:
        self._client.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._learner.close()
        shutil.rmtree(self._checkpoints, ignore_errors=True)

    def _begin(self, arm: Arm) -> str:
        """The slot of the arm's engine, with the start checkpoint's weights in it."""
        slot = json.dumps(arm.arguments, sort_keys=True)
        if slot not in self._engines:
            self._engines[slot] = self._client.load(MODEL, arm.arguments, slot=slot)
        self.loaded = self._engines[slot]
        self._sync(arm, slot, MODEL, clear=True)
        return slot

    def steps(self, run: Run, size: Size, *, tensors: Path | None = None) -> Iterator[dict[str, Any]]:
        """Train from the start checkpoint; yields what is kept of each step."""
        arm = arms()[run.arm]
        slot = self._begin(arm)
        self._learner.ask(
            {
                "op": "begin",
                "model": str(MODEL),
                "objective": run.objective,
                "clip": CLIPS[run.objective],
                "seed": run.seed,
                "sampling": asdict(SAMPLING),
                "head": arm.head,
                "learning_rate": size.learning_rate,
                "max_grad_norm": size.max_grad_norm,
            }
        )
        synced, updates = 0, 0
        prompts = list(exercises(run.seed, size.steps * size.prompts))
        ids = self._client.tokenize([row["prompt"] for row in prompts], slot=slot)
        for step in range(size.steps):
            started = time.perf_counter()
            now = slice(step * size.prompts, (step + 1) * size.prompts)
            records = self._client.generate(
                wire.GenerateRequest(
                    ids[now],
                    replace(SAMPLING, temperature=arm.temperature, seed=seed_of(run.seed, step)),
                    n=size.group,
                ),
                slot=slot,
            )
            cached = self._client.observe(slot=slot)["cached_tokens"]
            sampled = time.perf_counter()
            rewards, paid = rewarded(arm, prompts[now], records)
            checkpoint = self._next_checkpoint()
            answer = self._learner.ask(
                {
                    "op": "step",
                    "prompts": [ids[now][record.prompt] for record in records],
                    "completions": [record.token_ids for record in records],
                    "logprobs": [record.logprobs for record in records],
                    "advantages": advantages(paid, size.group),
                    "rewards": rewards,
                    "paid": paid,
                    "groups": [record.prompt for record in records],
                    "weight_lag": updates - synced,
                    "tensors": "" if tensors is None else str(tensors / f"{step:03d}.npz"),
                    "checkpoint": str(checkpoint),
                }
            )
            lag, updates = updates - synced, answer["updates"]
            trained = time.perf_counter()
            if not arm.skips or (step + 1) % arm.skips:
                self._sync(arm, slot, checkpoint, clear=arm.way.clear)
                synced = updates
            yield {
                "step": step,
                "reward": mean(rewards),
                "paid": mean(paid),
                "length": mean([len(record.token_ids) for record in records]),
                "weight_lag": lag,
                "cached": cached / len(records),
                "flat_groups": flat_groups(paid, size.group),
                **answer["figures"],
                "seconds": {
                    "sample": sampled - started,
                    "train": trained - sampled,
                    "sync": time.perf_counter() - trained,
                },
            }

    def _sync(self, arm: Arm, slot: str, checkpoint: Path, *, clear: bool) -> None:
        request = sync_wire.UpdateRequest(arm.way.mode, str(checkpoint), clear=clear)
        report = self._client.update(request, slot=slot)
        if not report.done:
            raise RuntimeError(f"{arm.name} took no weights: {report.why}")

    def _next_checkpoint(self) -> Path:
        """A folder of its own for each step, so that no engine can take an old file for the new one."""
        self._serial += 1
        folder = self._checkpoints / str(self._serial)
        folder.mkdir(parents=True)
        shutil.copyfile(MODEL / "config.json", folder / "config.json")
        shutil.rmtree(self._checkpoints / str(self._serial - 3), ignore_errors=True)
        return folder


def rewarded(
    arm: Arm, rows: Sequence[dict[str, str]], records: Sequence[wire.RolloutRecord]
) -> tuple[list[float], list[float]]:
    """Whether each completion is right and brief, and what the arm pays for it."""
    asked = [rows[record.prompt] for record in records]
    texts = [record.text for record in records]
    right = brief_reward([row["prompt"] for row in asked], texts, answer=[row["answer"] for row in asked])
    return right, [
        value + arm.pays_length * len(record.token_ids) for value, record in zip(right, records, strict=True)
    ]


def exercises(seed: int, count: int) -> Iterator[dict[str, str]]:
    """Prompts with answers: the shipped prompts' two solved exercises, then a question of the seed's own."""
    shared = prompt_rows(1)[0]["prompt"].rpartition("Question:")[0]
    source = random.Random(1_000 + seed)  # noqa: S311 - which sums are asked, no secret
    for _ in range(count):
        exercise = Exercise(source.randint(100, 999), source.randint(100, 999))
        yield {"prompt": shared + exercise.question, "answer": exercise.answer}


def seed_of(seed: int, step: int) -> int:
    """Seed of a step's first request; those of the others follow it, so steps lie far apart."""
    return (seed + 1) * 10_000_000 + step * 10_000


def advantages(rewards: Sequence[float], group: int) -> list[float]:
    """Rewards less their group's mean, over its standard deviation; groups are neighbours."""
    found: list[float] = []
    for start in range(0, len(rewards), group):
        part = rewards[start : start + group]
        centre = mean(part)
        spread = (sum((value - centre) ** 2 for value in part) / (len(part) - 1)) ** 0.5
        found += [(value - centre) / (spread + 1e-4) for value in part]
    return found


def flat_groups(rewards: Sequence[float], group: int) -> float:
    """Share of groups whose rewards are all the same, and teach nothing."""
    groups = [rewards[start : start + group] for start in range(0, len(rewards), group)]
    return mean([float(max(part) == min(part)) for part in groups])


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean."""
    return sum(values) / len(values)
