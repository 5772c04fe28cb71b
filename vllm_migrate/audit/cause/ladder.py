"""Climbs the ladder: one setting at a time is changed in the candidate's engine, and the tokens are replayed.

Greedy forward selection. Every step is tried by itself; the one that removes most of the excess is kept, and
those that moved any number are tried again on top of it, until none removes a notable part of what is left.
Steps that moved nothing are not run twice. Each run has a time limit, shows by a control that its change took
effect, and reverts it; an engine that failed is started again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.audit.cause.attempt import Attempts
from vllm_migrate.audit.cause.climbed import choose, distances
from vllm_migrate.audit.cause.evidence import LIVE, SIGNATURE, LadderRun, Step, StepRun
from vllm_migrate.audit.cause.waterfall import NONE, ORDER_MATTERS, Waterfall, subsets
from vllm_migrate.audit.evidence import flat, prompts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from vllm_migrate.audit.cause.evidence import Changes
    from vllm_migrate.audit.cause.live_engine import LiveEngine
    from vllm_migrate.trace.model import Prompt, Rollout
    from vllm_migrate.workers.protocol import ReplayRecord, SamplingSettings

WORTH = 1e-4  # nats; below it a completion of a thousand tokens moves by less than a tenth of a nat
NOTABLE = 0.2  # share of what is left that a step must remove to be kept
_AS_GOOD = 0.05  # share of the excess; steps that differ by less are as good as each other
_MOST_KEPT = 4


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
        seed: of the shuffled order and the resampling. arm: its name in the timing and the progress.
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
        seed: int = 0,
        arm: str = "ladder",
    ) -> None:
        chosen = choose(rollouts)
        self._rollouts = [rollouts[index] for index in chosen]
        self._attempts = Attempts(
            engine,
            prompts,
            self._rollouts,
            sampling if own is None else own,
            path=path,
            stopped=stopped,
            seed=seed,
            arm=arm,
        )
        self._counterparts = counterparts
        self._seed = seed
        self._result = LadderRun(on_probe=on_probe, chosen=chosen)
        self._reference = flat(rollout.logprobs for rollout in self._rollouts)

    def run(self, suspects: Callable[[Mapping[str, int]], Iterable[Step]]) -> LadderRun:
        """Climb.

        Args:
            suspects: the steps, given what the scheduler did during the replay without any change.

        Returns:
            What was measured; an engine's failure is a note in it, not an error.
        """
        result = self._result
        base = self._attempts.run(())
        if not base.records:
            result.note = f"the candidate could not be replayed once more: {base.note}"
            return result
        result.runs[NONE] = base
        self._attempts.measure_by(base)
        result.steps = {step.name: step for step in suspects(dict(self._attempts.observed))}
        result.counterparts = dict(self._counterparts())
        if self._left(NONE) < WORTH:
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
            self._result.alone[name] = self._attempts.run((step,))

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
            if self._left(frozenset(result.kept)) < WORTH:
                break
        self._complete_orders()

    def _best(self, names: Sequence[str], kept: Changes) -> str | None:
        """The step that removes most on top of `kept`, where that is a notable part beyond chance.

        Of steps that do as well as each other, one that changes the candidate shows more than one that makes
        the reference repeat its fault: reported raw, logprobs are also those of a reference at temperature 1.
        """
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
        near = [entry for entry in found if entry[0] >= max(found)[0] - _AS_GOOD]
        ranked = [(not self._result.steps[name].reference_only, share, name) for share, name in near]
        return max(ranked)[2] if ranked else None

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
        found = distances(self._result, self._reference)
        return Waterfall(found, prompts_of(self._rollouts), seed=self._seed)

    def _left(self, changes: Changes) -> float:
        found = distances(self._result, self._reference)
        values = found[changes][np.isfinite(found[changes])]
        return float(values.mean()) if len(values) else 0.0

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

    def _steps(self, names: Changes) -> tuple[Step, ...]:
        return tuple(step for name, step in self._result.steps.items() if name in names)

    def _under(self, changes: Changes) -> StepRun:
        """The run under some changes; those of the reference alone need none of the candidate's."""
        own = frozenset(name for name in changes if not self._result.steps[name].reference_only)
        if own != changes and own in self._result.runs:
            return replace(self._result.runs[own], seconds=0.0, how=LIVE, acted="")
        return self._attempts.run(self._steps(own))
