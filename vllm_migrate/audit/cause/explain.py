"""From the ladder's replays to its figures: what each rung removed, what is left, measured on what.

Steps that act on both sides are compared with the reference under the same change. Where the reference is
only a recorded trace, and for steps that are no change of the candidate's settings, the raw logprobs are
compared with those of the trainer's float32 forward: raw ones, so that what a logprob means can't hide how it
was computed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.audit.cause.causes import ABOUT
from vllm_migrate.audit.cause.climbed import distances
from vllm_migrate.audit.cause.evidence import SIGNATURE, LadderRun, Step, StepRun
from vllm_migrate.audit.cause.waterfall import NONE, ORDER_MATTERS, Waterfall, subsets
from vllm_migrate.audit.evidence import raw, reported
from vllm_migrate.audit.sections import Ladder, Rung
from vllm_migrate.statistics.verdict import Estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from vllm_migrate.audit.cause.evidence import Changes
    from vllm_migrate.audit.cause.signatures import Hint

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

METRIC = "mean_abs"


class Explanation:
    """The figures of one climb.

    Args:
        run: the climb.
        reference: the reference's logprobs of the chosen rollouts, end to end; `prompts` of the same tokens.
        floor: mean |d| of the noise floor, nats.
        trainer_raw: the trainer's raw logprobs of the same tokens; empty where it did not score them.
        seed: of the resampling.
    """

    def __init__(
        self,
        run: LadderRun,
        reference: Floats,
        prompts: Integers,
        *,
        floor: float = 0.0,
        trainer_raw: Floats | None = None,
        seed: int = 0,
    ) -> None:
        self._run = run
        self._prompts = prompts
        self._seed = seed
        self._trainer = np.zeros(0) if trainer_raw is None else trainer_raw
        found = distances(run, reference)
        self._waterfall = Waterfall(found, prompts, floor=floor, seed=seed) if NONE in found else None
        self._against = "probe" if run.on_probe else "reference"

    def ladder(self, hints: Sequence[Hint] = ()) -> Ladder:
        """The section of the result; signatures come last, as rungs that were not run."""
        waterfall, kept = self._waterfall, tuple(self._run.kept)
        if waterfall is None:
            return Ladder(METRIC, Estimate(0.0), note=self._run.note)
        excess = waterfall.excess()
        shapley = self._shapley(kept)
        order = [*kept, *(name for name in self._run.steps if name not in kept)]
        rungs = (
            *(self._rung(name, shapley.get(name)) for name in order),
            *(Rung(h.cause.value, ABOUT[h.cause].layer, {}, SIGNATURE, note=h.words) for h in hints),
        )
        tried_alone = all(frozenset({name}) in waterfall for name in kept)
        return Ladder(
            METRIC,
            excess,
            rungs,
            residual=waterfall.left(frozenset(kept)) if self._run.steps else None,
            interaction=waterfall.interaction(kept) if len(kept) > 1 and tried_alone else None,
            note=self._run.note,
        )

    def _shapley(self, kept: tuple[str, ...]) -> dict[str, Estimate]:
        """Shares averaged over all orders, where a share depends on the order and every subset was run."""
        waterfall = self._waterfall
        if waterfall is None or len(kept) < 2 or any(s not in waterfall for s in subsets(kept)):  # noqa: PLR2004 - one step has one order
            return {}
        shifts = (
            waterfall.removed((name,), on=frozenset(kept[:i])).value - waterfall.removed((name,)).value
            for i, name in enumerate(kept)
        )
        return waterfall.shapley(kept) if max(map(abs, shifts)) > ORDER_MATTERS else {}

    def _rung(self, name: str, shapley: Estimate | None) -> Rung:
        step = self._run.steps[name]
        changes = self._context(name)
        run = self._run.alone[name] if changes is None else self._run.runs[changes]
        waterfall = self._waterfall
        if changes is not None and waterfall is not None and changes in waterfall:
            before = changes - {name}
            notes = [run.note]
            if before:
                notes.append("on top of " + " and ".join(self._words(before)))
            if shapley is not None:
                notes.append("its share depends on the order and is averaged over all orders")
            if step.counterpart:
                notes.append(
                    "changed in the reference only" if step.reference_only else "changed on both sides"
                )
            return self._made(
                step,
                run,
                removed=shapley or waterfall.removed((name,), on=before),
                before=waterfall.distance(before),
                after=waterfall.distance(changes),
                note="; ".join(note for note in notes if note),
                against=self._against,
            )
        return self._against_trainer(step, run)

    def _context(self, name: str) -> Changes | None:
        """The changes in whose company a step is shown: those kept before it, or the most it was tried on."""
        runs, kept = self._run.runs, self._run.kept
        if name in kept:
            return frozenset(kept[: kept.index(name) + 1])
        tried = [s for s in runs if name in s and s - {name} in runs and runs[s].records]
        if not tried:
            return frozenset({name}) if frozenset({name}) in runs else None
        return max(tried, key=len)

    def _against_trainer(self, step: Step, run: StepRun) -> Rung:
        base = self._run.runs[NONE]
        own = reported(run.records) if step.path == "prefill" else raw(run.records)
        was = raw(base.records)
        if not len(self._trainer) == len(own) == len(was) or not len(own):
            why = run.note or _incomparable(step, run)
            return self._made(step, run, note=why, against=self._against)
        with np.errstate(invalid="ignore"):
            shares = Waterfall(
                {NONE: np.abs(was - self._trainer), frozenset({step.name}): np.abs(own - self._trainer)},
                self._prompts,
                seed=self._seed,
            )
            distance = np.abs(own - was)
        note = f"raw logprobs against the trainer's; {_moved(distance)}"
        return self._made(
            step,
            run,
            removed=shares.removed((step.name,)),
            before=shares.distance(NONE),
            after=shares.distance(frozenset({step.name})),
            note="; ".join(text for text in (run.note, note) if text),
            against="trainer",
        )

    def _made(
        self,
        step: Step,
        run: StepRun,
        *,
        removed: Estimate | None = None,
        before: float | None = None,
        after: float | None = None,
        note: str = "",
        against: str,
    ) -> Rung:
        return Rung(
            cause=step.cause.value,
            layer=ABOUT[step.cause].layer,
            setting=step.setting,
            how=run.how if run.records else SIGNATURE,
            removed=removed,
            before=before,
            after=after,
            acted=run.acted,
            seconds=run.seconds,
            note=note,
            against=against,
        )

    def _words(self, names: Changes) -> list[str]:
        settings = [self._run.steps[name].setting for name in self._run.kept if name in names]
        return [f"{key}={value}" for setting in settings for key, value in setting.items()]


def _incomparable(step: Step, run: StepRun) -> str:
    """Why a step that was run has no share."""
    if step.reference_only:
        return "not measured: the recorded reference holds no such replay"
    return "not measured: there are no raw logprobs to hold against the trainer's" if run.records else ""


def _moved(distance: Floats) -> str:
    finite = distance[np.isfinite(distance)]
    if not len(finite) or not finite.any():
        return "the engine's own are the same to the bit"
    return f"the engine's own moved by mean {finite.mean():.1e} nats"
