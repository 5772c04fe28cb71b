"""From what the weight sync probe saw to its cases, without an engine in sight.

A live engine must compute what a cold one on the same weights computes. How nearly, the cold engine itself
says: it replays the same sequences again, with an empty cache and with a filled one. Where these agree in
every bit, as they do on CPU, so must the live engine. Where they don't, the distance of the live engine is
compared with the cold one's own, sequence by sequence, by a sign-flip test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.audit.sections import SyncCase
from vllm_migrate.workers import sync_protocol as wire

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vllm_migrate.audit.sync.evidence import CaseRun, ColdRun, EngineProbe, Rows

LEVEL = 0.01
"""One-sided level of the test where an engine does not repeat itself bitwise; an audit has a dozen cases."""

_FLIPS = 4096
_UNMOVED = 0.5  # of the way from the old weights to the new: below it the old weights are still answering


@dataclass(frozen=True, slots=True)
class Distance:
    """How far two replays of the same tokens are apart.

    Attributes:
        differing: tokens whose logprobs are not the same bits, of `tokens`.
        mean, largest: of |difference| where both are finite, nats; infinite where exactly one is.
        by_sequence: the mean of each sequence.
    """

    tokens: int
    differing: int
    mean: float
    largest: float
    by_sequence: tuple[float, ...]


def distance(one: Rows, other: Rows) -> Distance:
    """Distance between two replays; both hold the same sequences."""
    means, differing, tokens, largest, total = [], 0, 0, 0.0, 0.0
    for left, right in zip(one, other, strict=True):
        gap = _gap(np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64))
        means.append(float(gap.mean()) if len(gap) else 0.0)
        differing += int(np.count_nonzero(gap))
        tokens += len(gap)
        total += float(gap.sum())
        largest = max(largest, float(gap.max(initial=0.0)))
    return Distance(tokens, differing, total / max(tokens, 1), largest, tuple(means))


def _gap(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    same = left == right  # infinities of one sign included
    gap: NDArray[np.float64] = np.abs(np.where(same, 0.0, left) - np.where(same, 0.0, right))
    return gap


@dataclass(frozen=True, slots=True)
class Match:
    """Whether a live engine computes what a cold one does.

    Attributes:
        equal: within the cold engine's own repeat floor.
        apart: from the cold engine. floor: the cold engine from itself.
    """

    equal: bool
    apart: Distance
    floor: Distance


def match(live: Rows, cold: Rows, repeats: tuple[Rows, ...]) -> Match:
    """Hold a live engine's replay against a cold one's.

    Args:
        live: the live engine's.
        cold: the cold engine's under the same conditions.
        repeats: the cold engine's other replays of the same sequences.
    """
    apart = distance(live, cold)
    floor = max((distance(other, cold) for other in repeats), key=lambda found: found.mean)
    if not apart.differing:
        return Match(equal=True, apart=apart, floor=floor)
    if not floor.differing:
        return Match(equal=False, apart=apart, floor=floor)
    excess = np.asarray(apart.by_sequence) - np.asarray(floor.by_sequence)
    return Match(equal=sign_flip(excess) >= LEVEL, apart=apart, floor=floor)


def sign_flip(excess: NDArray[np.float64]) -> float:
    """One-sided p-value of a mean above zero, by random flips of sign; 0 where a value is infinite."""
    if not np.isfinite(excess).all():
        return 0.0
    flips = np.random.default_rng(0).choice([-1.0, 1.0], size=(_FLIPS, len(excess)))
    under_null = (flips * excess).sum(axis=1)
    return float((1 + np.count_nonzero(under_null >= excess.sum())) / (1 + _FLIPS))


@dataclass(frozen=True, slots=True)
class Judged:
    """One case with what it says about each invariant.

    Attributes:
        sums: names of tensors whose digest differs from the cold engine's; None where not compared.
        clean: with an empty cache: whether the weights are the new ones. warm: with the cache as the update
            left it. Both None where the case was not tried.
        skipped: the old weights still answer.
    """

    run: CaseRun
    shown: SyncCase
    sums: tuple[str, ...] | None = None
    clean: Match | None = None
    warm: Match | None = None
    skipped: bool = False

    @property
    def tried(self) -> bool:
        """Whether there is anything to judge."""
        return self.clean is not None


def judge_cases(probe: EngineProbe) -> tuple[Judged, ...]:
    """Every case of one engine."""
    return tuple(_judge(probe, run) for run in probe.runs)


def _judge(probe: EngineProbe, run: CaseRun) -> Judged:
    case = run.case
    cold = probe.cold.get(case.head)
    why = run.why or ("" if cold is not None else probe.note or "no cold engine to compare with")
    if why or cold is None:
        return Judged(run, _shown(probe, run, note=why))
    clean = match(run.clean, cold.first, (cold.again,))
    # Held against the cold engine's replay that took as much from the cache: other kernels may run otherwise.
    as_first = run.cached == cold.cached_first != cold.cached_warm
    if as_first:
        warm = match(run.warm, cold.first, (cold.again,))
    else:
        warm = match(run.warm, cold.warm, (cold.warm_again,))
    old = run.old or probe.old
    moved = distance(cold.first, old)
    back = distance(run.clean, old)
    if not moved.differing:
        return Judged(run, _shown(probe, run, note="the changed weights move no logprob: nothing to compare"))
    skipped = not clean.equal and back.mean < _UNMOVED * clean.apart.mean
    shown = _shown(
        probe,
        run,
        tokens=warm.apart.tokens,
        differing=warm.apart.differing,
        mean_abs=warm.apart.mean,
        max_abs=warm.apart.largest,
        moved=moved.mean,
        stale=not warm.equal,
        note=_note(probe, run, cold, clean, warm, skipped=skipped),
    )
    return Judged(run, shown, _sums(probe, run), clean, warm, skipped)


def _shown(probe: EngineProbe, run: CaseRun, **figures: object) -> SyncCase:
    case = run.case
    values: dict[str, object] = {
        "engine": probe.engine,
        "mode": case.way.mode,
        "prefix_caching": case.caching,
        "reset": case.way.clear,
        "head": case.head,
        "cached": run.cached,
        **_flight(run),
        **figures,
    }
    return SyncCase(**values)  # type: ignore[arg-type] # gathered by name


def _flight(run: CaseRun) -> dict[str, object]:
    """Tokens per version of the weights in the sequences during which the update came."""
    known = [record for record in run.flight if record.before >= 0]
    if not known:
        return {}
    old = sum(record.before for record in known)
    new = sum(max(0, len(record.logprobs) - record.before) for record in known)
    mixed = sum(1 for record in known if 0 < record.before < len(record.logprobs))
    return {"flight_old": old, "flight_new": new, "flight_mixed": mixed}


def _sums(probe: EngineProbe, run: CaseRun) -> tuple[str, ...] | None:
    if run.case.head or run.checksums is None or probe.cold_checksums is None:
        return None
    mine, theirs = run.checksums.tensors, probe.cold_checksums.tensors
    return tuple(sorted(name for name in {*mine, *theirs} if mine.get(name) != theirs.get(name)))


def _note(
    probe: EngineProbe, run: CaseRun, cold: ColdRun, clean: Match, warm: Match, *, skipped: bool
) -> str:
    said = []
    if skipped:
        said.append("the old weights still answer: the update did not arrive")
    elif not clean.equal:
        said.append(
            f"even with an empty cache {clean.apart.differing} of {clean.apart.tokens} tokens differ:"
            " the weights are not the new ones"
        )
    elif not warm.equal:
        said.append(f"{run.cached} prompt tokens came from blocks that the old weights computed")
    elif run.case.caching and run.cached == 0:
        said.append("no prompt token came from the cache")
    if run.flight and not any(record.logprobs for record in run.flight):
        said.append(f"{len(run.flight)} running sequences were aborted")
    elif any(0 < record.before < len(record.logprobs) for record in run.flight):
        said.append(_mixed(run, cold))
    elif any(record.before > 0 for record in run.flight):
        said.append("running sequences were finished with the old weights")
    if run.case.way.mode == wire.SLEEP_WAKE and probe.device == "cpu":
        said.append("on CPU sleep clears the caches and keeps the memory")
    return "; ".join(part for part in said if part)


def _mixed(run: CaseRun, cold: ColdRun) -> str:
    """How far the tokens after an update in flight are from a cold engine's for the same tokens."""
    tails, wanted = [], []
    for record, target in zip(run.flight, cold.first, strict=True):
        tails.append(tuple(record.logprobs[max(record.before, 0) :]))
        wanted.append(target[max(record.before, 0) :])
    apart = distance(tuple(tails), tuple(wanted))
    if not apart.differing:
        return "running sequences were computed anew: after the update they equal a cold engine's"
    return (
        f"running sequences went on over the old weights' cache: {apart.differing} of {apart.tokens} tokens"
        f" after the update differ from a cold engine's, mean {apart.mean:.2g}, at most"
        f" {apart.largest:.2g} nats"
    )
