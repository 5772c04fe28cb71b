"""What must hold exactly after a weight update, and what follows for the candidate where it does not.

These gate on their own: a stale prefix cache moved logprobs by 1e-5 to 1e-3 nats in trials, which is the size
of bfloat16 noise, so no margin on a mean finds it. A candidate fails where an invariant fails for the way in
which the user's code brings in weights. Where that way is not known, ways are reported and only what must
hold for every way gates: that the weights arrive.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vllm_migrate.audit.result import Cause
from vllm_migrate.audit.sections import Advice, Invariant
from vllm_migrate.audit.sync.conclude import Judged, Match, distance, judge_cases
from vllm_migrate.audit.sync.ways import SyncWay
from vllm_migrate.statistics.verdict import Verdict
from vllm_migrate.workers import sync_protocol as wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from vllm_migrate.audit.result import AuditResult
    from vllm_migrate.audit.sections import SyncCase
    from vllm_migrate.audit.sync.evidence import EngineProbe

REASON = "invariant"

REPEATS, WEIGHTS, TOKENS, STALE = (
    "repeats-itself",
    "weights-match",
    "same-tokens-after-sync",
    "no-stale-prefix",
)


_ADVICE = {
    Cause.STALE_PREFIX_CACHE: "Reset the prefix cache after every weight update, or turn prefix caching off",
    Cause.SKIPPED_SYNC: "Make sure that new weights reach the engine, and compare a digest on both sides",
}


@dataclass(frozen=True, slots=True)
class SyncFindings:
    """What the probe found.

    Attributes:
        cases: every way in every engine, for the reports.
        invariants: those of the candidate; one that does not hold gates.
        cause: of one that does not hold; NONE where all hold.
        evidence: one sentence with its figures.
        settings: engine arguments that mend it.
        advice: what to do in the user's code.
        warnings: what else a reader should know.
    """

    cases: tuple[SyncCase, ...] = ()
    invariants: tuple[Invariant, ...] = ()
    cause: Cause = Cause.NONE
    evidence: str = ""
    settings: tuple[tuple[str, object], ...] = ()
    advice: tuple[Advice, ...] = ()
    warnings: tuple[str, ...] = ()


def conclude_sync(probes: Sequence[EngineProbe], way: SyncWay | None) -> SyncFindings:
    """The probe's findings.

    Args:
        probes: the candidate's first; others are reported and judge nothing.
        way: how the user's code brings in weights, None where that is not known.
    """
    if not probes:
        return SyncFindings()
    candidate = probes[0]
    judged = judge_cases(candidate)
    others = [(other, judge_cases(other)) for other in probes[1:]]
    cases = tuple(case.shown for found in (judged, *(found for _, found in others)) for case in found)
    served = [case for other, found in others if other.asynchronous for case in found if case.tried]
    notes = [f"weight updates in {other.engine}: {other.note}" for other, _ in others if other.note]
    if not any(case.tried for case in judged):
        why = candidate.note or next((case.shown.note for case in judged if case.shown.note), "not tried")
        untried = tuple(Invariant(name, None, note=why) for name in (REPEATS, WEIGHTS, TOKENS, STALE))
        said = (f"the weight sync probe was not run: {why}", *notes)
        return SyncFindings(cases, untried, warnings=said)
    invariants = [_repeats(candidate)]
    warnings = [*notes, *_differently(judged, served)]
    if way is None:
        usable = [case for case in judged if case.tried and case.run.case.way.mode != wire.NONE] + served
        invariants += [_weights(usable, ""), _tokens(usable, ""), _stale_unknown(usable)]
        stale = _stale_ways(usable)
        if stale:
            warnings.append(
                f"bringing in weights by {_list(stale)} leaves blocks of the old weights in the prefix cache;"
                " --sync says which way your code takes, and lets it gate"
            )
    else:
        mine, why = _users(judged, way)
        if why:
            warnings.append(f"your way of bringing in weights, {way}, could not be tried: {why}")
        way = mine[0].run.case.way if mine else way
        mine += [case for case in served if case.run.case.way == way]
        invariants += [_weights(mine, str(way)), _tokens(mine, str(way)), _stale(mine, str(way))]
    cause, evidence, settings = _cause((*judged, *served), way, invariants)
    title = _ADVICE.get(cause)
    advice = () if title is None else (Advice(title, evidence, dict(settings)),)
    return SyncFindings(cases, tuple(invariants), cause, evidence, settings, advice, tuple(warnings))


def _differently(judged: Sequence[Judged], served: Sequence[Judged]) -> list[str]:
    """What ends otherwise in the asynchronous engine than in one process, which is not expected."""
    found = []
    for case in served:
        way = case.run.case.way
        alike = next((one for one in judged if one.tried and one.run.case.way == way), None)
        if alike is None or alike.shown.stale == case.shown.stale:
            continue
        said = "leaves stale blocks" if case.shown.stale else "leaves none"
        found.append(f"{way} {said} in the asynchronous engine, unlike in one process: see its rows")
    return found


def _users(judged: Sequence[Judged], way: SyncWay) -> tuple[list[Judged], str]:
    """The case of the user's way, or of one that stands in for it; and why it could not be tried itself.

    Loading in place, a weight transfer and reloading leave the same in the cache, so where the first two
    can't be tried a reload shows what becomes of the cache. Whether they work themselves stays open.
    """
    own = [case for case in judged if case.run.case.way == way and not case.run.case.head]
    mine = next((case for case in own if case.tried), None)
    if mine is not None:
        return [mine], ""
    why = own[0].shown.note if own else "it was not probed"
    stands_in = [
        case
        for case in judged
        if case.tried
        and way.mode in {wire.IN_PLACE, wire.TRANSFER}
        and case.run.case.way == SyncWay(wire.RELOAD, way.clear)
        and not (case.run.case.head or case.run.case.after)
    ]
    if not stands_in:
        return [], why
    return stands_in[:1], f"{why}; {stands_in[0].run.case.way} stands in for it"


def apply_findings(result: AuditResult, found: SyncFindings) -> AuditResult:
    """Let the invariants gate: one that does not hold makes the candidate FAIL, whatever its figures are.

    A cause that the comparison with the reference has named stays; the evidence then names both.
    """
    broken = [entry for entry in found.invariants if entry.holds is False]
    result = replace(
        result,
        sync=(*result.sync, *found.cases),
        invariants=(*result.invariants, *found.invariants),
        warnings=(*result.warnings, *found.warnings),
        advice=(*found.advice, *result.advice),
    )
    if not broken or result.verdict is None:
        return result
    first = result.cause is Cause.NONE
    return replace(
        result,
        verdict=Verdict.FAIL,
        reason=result.reason if result.verdict is Verdict.FAIL else REASON,
        cause=found.cause if first else result.cause,
        cause_evidence=found.evidence if first else f"{result.cause_evidence}; besides, {found.evidence}",
        settings={**result.settings, **dict(found.settings)},
    )


def _repeats(probe: EngineProbe) -> Invariant:
    """Whether the engine, its weights untouched, reports the same for the same tokens again."""
    apart = distance(probe.old_again, probe.old)
    note = "" if not apart.differing else f"{apart.differing} of {apart.tokens} tokens differ"
    exact = probe.device == "cpu"
    if not exact and apart.differing:
        note += "; a GPU's kernels may choose another order of sums for another batch"
    return Invariant(
        REPEATS,
        not apart.differing if exact else True,
        value=apart.largest,
        allowed=0.0 if exact else None,
        tokens=apart.tokens,
        note=note,
    )


def _weights(cases: Iterable[Judged], way: str) -> Invariant:
    compared = [case for case in cases if case.sums is not None]
    if not compared:
        return Invariant(WEIGHTS, None, unit="tensors", note=_untried(way))
    worst = max(compared, key=lambda case: len(case.sums or ()))
    names = worst.sums or ()
    note = ""
    if names:
        note = f"after {worst.run.case.way}: {_list(names[:3])}{' and others' if len(names) > 3 else ''}"  # noqa: PLR2004 - as many as are shown
    sums = worst.run.checksums
    if sums is not None and sums.unread:
        note = f"{note}; {len(sums.unread)} tensors could not be read".lstrip("; ")
    return Invariant(WEIGHTS, not names, value=float(len(names)), allowed=0.0, unit="tensors", note=note)


def _tokens(cases: Iterable[Judged], way: str) -> Invariant:
    return _matches(TOKENS, cases, way, lambda case: case.clean, "with an empty cache")


def _stale(cases: Iterable[Judged], way: str) -> Invariant:
    return _matches(STALE, cases, way, lambda case: case.warm, "with the cache as the update left it")


def _matches(
    name: str, cases: Iterable[Judged], way: str, which: Callable[[Judged], Match | None], condition: str
) -> Invariant:
    tried = [(case, found) for case in cases if (found := which(case)) is not None]
    if not tried:
        return Invariant(name, None, note=_untried(way))
    case, worst = max(tried, key=lambda pair: (not pair[1].equal, pair[1].apart.mean))
    apart = worst.apart
    note = f"after {case.run.case.way}, {condition}: {apart.differing} of {apart.tokens} tokens differ"
    if worst.floor.differing:
        note += f"; the cold engine repeats itself up to {worst.floor.mean:.2g} nats on average"
    return Invariant(
        name,
        worst.equal,
        value=apart.mean,
        allowed=worst.floor.mean,
        tokens=apart.tokens,
        note=note,
    )


def _stale_unknown(cases: Sequence[Judged]) -> Invariant:
    """Without the user's way there is nothing to hold: which ways leave stale blocks is told."""
    stale = _stale_ways(cases)
    note = f"stale after {_list(stale)}; " if stale else "no way that was tried leaves stale blocks; "
    return Invariant(STALE, None, note=note + "--sync says which way your code takes")


def _stale_ways(cases: Iterable[Judged]) -> list[str]:
    found: list[str] = []
    for case in cases:
        if case.warm is not None and case.clean is not None and case.clean.equal and not case.warm.equal:
            way = str(case.run.case.way)
            if way not in found:
                found.append(way)
    return found


def _cause(
    judged: Sequence[Judged], way: SyncWay | None, invariants: Iterable[Invariant]
) -> tuple[Cause, str, tuple[tuple[str, object], ...]]:
    broken = {entry.name for entry in invariants if entry.holds is False}
    if not broken:
        return Cause.NONE, "", ()
    mine = [
        case
        for case in judged
        if case.tried and (way is None or case.run.case.way == way) and case.run.case.way.mode != wire.NONE
    ] or [case for case in judged if case.tried]
    case = max(mine, key=lambda found: (found.skipped, found.warm is not None and not found.warm.equal))
    said = (
        f"after {case.run.case.way}, {case.shown.differing} of {case.shown.tokens} tokens differ from a cold"
        f" engine's on the new weights, mean {case.shown.mean_abs or 0:.2g} nats"
    )
    if case.skipped:
        return Cause.SKIPPED_SYNC, f"{said}: the old weights still answer", ()
    if broken & {WEIGHTS, TOKENS}:
        return Cause.WEIGHTS_OR_DTYPE, f"{said}, with an empty cache as well", ()
    if broken == {REPEATS}:
        return Cause.UNEXPLAINED, "the engine does not repeat itself for the same tokens and weights", ()
    return (
        Cause.STALE_PREFIX_CACHE,
        f"{said}; with an empty cache none do: blocks of the old weights were used",
        (("enable_prefix_caching", False),),
    )


def _untried(way: str) -> str:
    return f"{way} could not be tried" if way else "no way could be tried"


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
