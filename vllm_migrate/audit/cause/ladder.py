"""Climbs the ladder: one setting at a time is changed in the candidate's engine, and the tokens are replayed.

Greedy forward selection. Every step is tried by itself; the one that removes most of the excess is kept, and
those that moved any number are tried again on top of it, until none removes a notable part of what is left.
Steps that moved nothing are not run twice. Each run has a time limit, shows by a control that its change took
effect, and reverts it; an engine that failed is started again.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vllm_migrate.audit.cause.steps import LIVE, LOGPROBS, SIGNATURE, Step, wanted_counterpart
from vllm_migrate.audit.cause.waterfall import NONE, ORDER_MATTERS, Waterfall, subsets
from vllm_migrate.audit.evidence import flat, prompts_of, reported
from vllm_migrate.errors import VllmMigrateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from vllm_migrate.audit.cause.live_engine import LiveEngine
    from vllm_migrate.audit.process import EngineProcess
    from vllm_migrate.trace.model import Prompt, Rollout
    from vllm_migrate.workers.protocol import ReplayRecord, SamplingSettings

    Changes = frozenset[str]

SHARE_OF_SAMPLES = 0.125  # of each prompt's completions; every prompt stays: they are what is resampled
FEWEST_TOKENS = 2048  # below it all completions are taken
WORTH = 1e-4  # nats; below it a completion of a thousand tokens moves by less than a tenth of a nat
NOTABLE = 0.2  # share of what is left that a step must remove to be kept
_MOST_KEPT = 4
_LEAST_SECONDS, _TIMES_THE_BASE = 120.0, 20.0


@dataclass(slots=True)
class StepRun:
    """One replay under some changes.

    Attributes:
        how: "live", "second-engine", "restart" or "signature" (not run).
        acted: the control, in words. note: what went wrong, or why it was not run.
    """

    records: list[ReplayRecord] = field(default_factory=list)
    how: str = LIVE
    acted: str = ""
    seconds: float = 0.0
    note: str = ""


@dataclass(slots=True)
class LadderRun:
    """What came of the climb.

    Attributes:
        on_probe: whether the tokens are those of the semantic probe.
        chosen: indices of the reference's rollouts that were replayed.
        steps: every step by name, in the order tried. alone: of steps that don't combine, their run.
        runs: by the set of steps in force; the empty set is the candidate as it is.
        counterparts: the reference's logprobs under changes of its own, by their sorted names.
        kept: names of the steps that removed something, in the order in which they were kept.
    """

    on_probe: bool
    chosen: list[int]
    steps: dict[str, Step] = field(default_factory=dict)
    alone: dict[str, StepRun] = field(default_factory=dict)
    runs: dict[Changes, StepRun] = field(default_factory=dict)
    counterparts: dict[tuple[str, ...], list[ReplayRecord]] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    note: str = ""


def choose(rollouts: Sequence[Rollout]) -> list[int]:
    """Indices of the rollouts to replay: every prompt's first samples, an eighth where that is enough."""
    total = sum(len(rollout.token_ids) for rollout in rollouts)
    samples = max((rollout.sample for rollout in rollouts), default=0) + 1
    share = max(SHARE_OF_SAMPLES, FEWEST_TOKENS / max(total, 1))
    keep = min(samples, max(1, -(-int(samples * share * 1000) // 1000)))
    return [index for index, rollout in enumerate(rollouts) if rollout.sample < keep]


def distances(
    run: LadderRun, reference: NDArray[np.float64]
) -> tuple[dict[Changes, NDArray[np.float64]], set[Changes]]:
    """|d| per token against the reference under each set of changes, and the sets that have no counterpart.

    Args:
        run: the climb.
        reference: the reference's logprobs of the chosen rollouts, end to end.
    """
    found: dict[Changes, NDArray[np.float64]] = {}
    lonely: set[Changes] = set()
    for changes, step_run in run.runs.items():
        if not step_run.records:
            continue
        wanted = wanted_counterpart(
            run.steps[name].counterpart for name in changes if run.steps[name].counterpart
        )
        side = reference
        if wanted and wanted in run.counterparts:
            side = reported(run.counterparts[wanted])
        elif wanted:
            lonely.add(changes)
            continue
        with np.errstate(invalid="ignore"):
            found[changes] = np.abs(reported(step_run.records) - side)
    return found, lonely


class Climb:
    """One climb. Use `run` once.

    Args:
        engine: the candidate's.
        prompts, rollouts: the reference's.
        sampling: the profile its tokens were drawn with. own: what the candidate's requests set.
        path: where the candidate's logprobs are taken from, "decode" or "prefill".
        on_probe: whether the rollouts are the semantic probe's.
        counterparts: waits for the reference's own replays of `choose(rollouts)`.
        stopped: whether the whole audit is being given up.
        seed: of the shuffled order and the resampling.
    """

    def __init__(
        self,
        engine: LiveEngine,
        prompts: Sequence[Prompt],
        rollouts: Sequence[Rollout],
        sampling: SamplingSettings,
        *,
        own: SamplingSettings | None = None,
        path: str = "decode",
        on_probe: bool = False,
        counterparts: Callable[[], Mapping[tuple[str, ...], list[ReplayRecord]]] = dict,
        stopped: Callable[[], bool] = lambda: False,
        floor: float = 0.0,
        seed: int = 0,
        arm: str = "ladder",
    ) -> None:
        self._engine = engine
        self._prompts = prompts
        chosen = choose(rollouts)
        self._rollouts = [rollouts[index] for index in chosen]
        self._sampling = sampling if own is None else own
        self._path = path
        self._counterparts = counterparts
        self._stopped = stopped
        self._floor = floor
        self._seed = seed
        self._arm = arm
        self._limit = 7200.0
        self._result = LadderRun(on_probe=on_probe, chosen=chosen)
        self._reference = flat(rollout.logprobs for rollout in self._rollouts)
        self._observed: dict[str, int] = {}

    def run(self, suspects: Callable[[Mapping[str, int]], Iterable[Step]]) -> LadderRun:
        """Climb.

        Args:
            suspects: the steps, given what the scheduler did during the replay without any change.

        Returns:
            What was measured; an engine's failure is a note in it, not an error.
        """
        result = self._result
        base = self._attempt(())
        if not base.records:
            result.note = f"the candidate could not be replayed once more: {base.note}"
            return result
        result.runs[NONE] = base
        self._limit = max(_LEAST_SECONDS, _TIMES_THE_BASE * base.seconds)
        result.steps = {step.name: step for step in suspects(dict(self._observed))}
        result.counterparts = dict(self._counterparts())
        if self._left(NONE) < max(WORTH, self._floor):
            result.note = "there is no excess over the noise floor to explain"
            result.steps = {}
            return result
        for name, step in result.steps.items():
            self._try_alone(name, step)
        self._select()
        return result

    def _try_alone(self, name: str, step: Step) -> None:
        if step.obstacle:
            self._result.alone[name] = StepRun(how=SIGNATURE, note=step.obstacle)
        elif step.composes:
            self._result.runs[frozenset({name})] = self._under(frozenset({name}))
        else:
            self._result.alone[name] = self._attempt((step,))

    def _select(self) -> None:
        """Keep the best step, try the others on top, and so on."""
        result = self._result
        open_ = [name for name in result.steps if self._moved(name)]
        while open_ and len(result.kept) < _MOST_KEPT:
            kept = frozenset(result.kept)
            for name in open_:
                if kept and kept | {name} not in result.runs:
                    result.runs[kept | {name}] = self._under(kept | {name})
            best = self._best(open_, kept)
            if best is None:
                break
            result.kept.append(best)
            open_.remove(best)
            if self._left(frozenset(result.kept)) < max(WORTH, self._floor):
                break
        self._complete_orders()

    def _best(self, names: Sequence[str], kept: Changes) -> str | None:
        """The step that removes most on top of `kept`, where that is a notable part beyond chance."""
        waterfall = self._waterfall()
        if kept not in waterfall:
            return None
        left = waterfall.left(kept).value
        found: list[tuple[float, str]] = []
        for name in names:
            if kept | {name} not in waterfall:
                continue
            share = waterfall.removed((name,), on=kept)
            if (share.low or 0.0) > 0 and share.value >= NOTABLE * left:
                found.append((share.value, name))
        return max(found)[1] if found else None

    def _complete_orders(self) -> None:
        """Where a share depends on what came before, run every subset of the kept steps."""
        result = self._result
        kept = result.kept
        waterfall = self._waterfall()
        for index, name in enumerate(kept[1:], start=1):
            before = frozenset(kept[:index])
            if frozenset({name}) not in waterfall:
                continue
            shift = waterfall.removed((name,), on=before).value - waterfall.removed((name,)).value
            if abs(shift) > ORDER_MATTERS:
                break
        else:
            return
        for changes in subsets(kept):
            if changes not in result.runs:
                result.runs[changes] = self._under(changes)

    def _waterfall(self) -> Waterfall:
        found, _ = distances(self._result, self._reference)
        return Waterfall(found, prompts_of(self._rollouts), floor=self._floor, seed=self._seed)

    def _left(self, changes: Changes) -> float:
        found, _ = distances(self._result, self._reference)
        values = found[changes][np.isfinite(found[changes])]
        return float(values.mean()) - self._floor if len(values) else 0.0

    def _moved(self, name: str) -> bool:
        """Whether a step changed any number, on its own side or on the reference's."""
        run = self._result.runs.get(frozenset({name}))
        if run is None or not run.records:
            return False
        step = self._result.steps[name]
        if step.counterpart or step.sampling:  # raw logprobs do not show what the requests' settings change
            return True
        base = self._result.runs[NONE]
        return any(
            one.logprobs != other.logprobs for one, other in zip(run.records, base.records, strict=True)
        )

    def _steps(self, names: Iterable[str]) -> tuple[Step, ...]:
        return tuple(step for name, step in self._result.steps.items() if name in set(names))

    # One replay

    def _under(self, changes: Changes) -> StepRun:
        """The run under some changes; those of the reference alone need none of the candidate's."""
        own = frozenset(name for name in changes if not self._result.steps[name].reference_only)
        if own != changes and own in self._result.runs:
            return replace(self._result.runs[own], seconds=0.0, how=LIVE, acted="")
        return self._attempt(self._steps(own))

    def _attempt(self, steps: tuple[Step, ...]) -> StepRun:
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
        arguments = _merged(step.arguments for step in steps if not step.flips)
        process, slot, how = self._engine.at(arguments)
        flips = _merged(step.flips for step in steps)
        reverts: list[tuple[str, Any]] = []
        try:
            for setting, value in flips.items():
                live, was, why = process.flip(setting, value, slot=slot)
                if not live:
                    break
                reverts.append((setting, was))
            else:
                return self._force(process, slot, how, steps)
        finally:
            for setting, was in reversed(reverts):
                process.flip(setting, was, slot=slot)
        # The live engine can't do it, so one that is started with the settings has to.
        asked = _merged(step.arguments for step in steps)
        if set(flips) - set(asked):
            return StepRun(how=SIGNATURE, note=f"not tried: {why}")
        process, slot, how = self._engine.at(asked)
        return replace(self._force(process, slot, how, steps), note=f"in another engine: {why}")

    def _force(self, process: EngineProcess, slot: str, how: str, steps: tuple[Step, ...]) -> StepRun:
        process.client.observe(slot=slot)
        order = None
        if any(step.shuffled for step in steps):
            order = list(range(len(self._rollouts)))
            random.Random(self._seed).shuffle(order)  # noqa: S311 - another order, not a secret
        records = process.force(
            self._arm,
            self._prompts,
            self._rollouts,
            replace(self._sampling, **_merged(step.sampling for step in steps)),
            slot=slot,
            order=order,
            max_num_seqs=min((step.max_num_seqs for step in steps if step.max_num_seqs), default=0),
            path=next((step.path for step in steps if step.path), self._path),
            top=0,
            seconds=self._limit,
        )
        counts = process.client.observe(slot=slot)
        if not steps:
            self._observed = counts
        return StepRun(records=records, how=how, acted=self._acted(steps, records, counts))

    def _acted(
        self, steps: tuple[Step, ...], records: Sequence[ReplayRecord], counts: Mapping[str, int]
    ) -> str:
        """What shows that the changes took effect, in words."""
        base = self._result.runs.get(NONE)
        if base is None:
            return ""
        words = []
        for control in dict.fromkeys(step.control for step in steps if step.control):
            if control == LOGPROBS:
                pairs = [
                    (a, b)
                    for one, other in zip(records, base.records, strict=True)
                    for a, b in zip(one.logprobs, other.logprobs, strict=True)
                ]
                words.append(f"{sum(a != b for a, b in pairs)} of {len(pairs)} logprobs changed")
            else:
                name = _CONTROLS[control]
                before, now = self._observed.get(control, 0), counts.get(control, 0)
                words.append(f"{name} {before} -> {now}{' (it did not act)' if before == now else ''}")
        return "; ".join(words)


_CONTROLS = {
    "max_rows": "sequences per step",
    "max_tokens": "tokens per step",
    "cached_tokens": "cached prompt tokens",
}


def _merged(parts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for part in parts:
        merged.update(part)
    return merged
