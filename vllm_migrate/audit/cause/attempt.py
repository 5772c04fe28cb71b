"""One replay of the ladder's tokens in the candidate's engine under some changes: limited, and controlled."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from vllm_migrate.audit.cause.evidence import LOGPROBS, SIGNATURE, Step, StepRun, merged
from vllm_migrate.audit.cause.live_engine import limit_after
from vllm_migrate.engines.calls import WORK_SECONDS
from vllm_migrate.engines.flips import CannotFlipError
from vllm_migrate.errors import VllmMigrateError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vllm_migrate.audit.cause.live_engine import LiveEngine, Replayed
    from vllm_migrate.audit.process import EngineProcess
    from vllm_migrate.trace.model import Prompt, Rollout
    from vllm_migrate.workers.protocol import ReplayRecord, SamplingSettings

_CONTROLS = {
    "max_rows": "sequences per step",
    "max_tokens": "tokens per step",
    "cached_tokens": "cached prompt tokens",
}


class Attempts:
    """Replays the same tokens under one set of changes after another.

    Attributes:
        observed: what the scheduler did during the replay without any change.

    Args:
        engine, prompts, sampling, path, stopped, seed, arm: as in `Climb`.
        rollouts: those that are replayed.
    """

    def __init__(
        self,
        engine: LiveEngine,
        prompts: Sequence[Prompt],
        rollouts: Sequence[Rollout],
        sampling: SamplingSettings,
        *,
        path: str,
        stopped: Callable[[], bool],
        seed: int,
        arm: str,
    ) -> None:
        self._engine = engine
        self._prompts = prompts
        self._rollouts = rollouts
        self._sampling = sampling
        self._path = path
        self._stopped = stopped
        self._seed = seed
        self._arm = arm
        self._limit = WORK_SECONDS
        self._base: StepRun | None = None
        self.observed: dict[str, int] = {}

    def measure_by(self, base: StepRun) -> None:
        """Take the run without any change as the measure of the others: for their limit and their control."""
        self._base = base
        self._limit = limit_after(base.seconds)

    def run(self, steps: tuple[Step, ...]) -> StepRun:
        """Replay under some steps; what goes wrong with the engine becomes the run's note."""
        started = time.monotonic()
        try:
            run = self._replay(steps)
        except VllmMigrateError as error:
            if self._stopped():
                raise
            self._engine.discard()
            run = StepRun(note=f"failed, and the engine was started again: {error.message}")
        run.seconds = round(time.monotonic() - started, 3)
        return run

    def _replay(self, steps: tuple[Step, ...]) -> StepRun:
        force = partial(self._force, steps)
        flips = merged(step.flips for step in steps)
        note = ""
        try:
            arguments = merged(step.arguments for step in steps if not step.flips)
            replayed = self._engine.replay(force, arguments=arguments, flips=flips)
        except CannotFlipError as refused:
            # The live engine can't do it, so one that is started with the settings has to.
            asked = merged(step.arguments for step in steps)
            if set(flips) - set(asked):
                return StepRun(how=SIGNATURE, note=f"not tried: {refused.why}")
            replayed = self._engine.replay(force, arguments=asked, flips={})
            note = f"in another engine: {refused.why}"
        if not steps:
            self.observed = replayed.counts
        return StepRun(replayed.records, replayed.how, self._acted(steps, replayed), note=note)

    def _force(self, steps: tuple[Step, ...], process: EngineProcess, slot: str) -> list[ReplayRecord]:
        order = None
        if any(step.shuffled for step in steps):
            order = list(range(len(self._rollouts)))
            random.Random(self._seed).shuffle(order)  # noqa: S311 - another order, not a secret
        return process.force(
            self._arm,
            self._prompts,
            self._rollouts,
            replace(self._sampling, **merged(step.sampling for step in steps)),
            slot=slot,
            order=order,
            max_num_seqs=min((step.max_num_seqs for step in steps if step.max_num_seqs), default=0),
            path=next((step.path for step in steps if step.path), self._path),
            top=0,
            seconds=self._limit,
        )

    def _acted(self, steps: tuple[Step, ...], replayed: Replayed) -> str:
        """What shows that the changes took effect, in words."""
        base = self._base
        if base is None:
            return ""
        words = []
        for control in dict.fromkeys(step.control for step in steps if step.control):
            if control == LOGPROBS:
                pairs = [
                    (a, b)
                    for one, other in zip(replayed.records, base.records, strict=True)
                    for a, b in zip(one.logprobs, other.logprobs, strict=True)
                ]
                words.append(f"{sum(a != b for a, b in pairs)} of {len(pairs)} logprobs changed")
            else:
                name = _CONTROLS[control]
                before, now = self.observed.get(control, 0), replayed.counts.get(control, 0)
                words.append(f"{name} {before} -> {now}{' (it did not act)' if before == now else ''}")
        return "; ".join(words)
