"""Does length earn or cost anything? What is right in ten words is not more right in a hundred.

Procedure: (1) Spearman's correlation of reward and length in characters among completions of the same
prompt that are equally right, by a verifier of our own where there are reference answers; ranks are pooled
over prompts. (2) Share of the rewards' variance, there too, that a natural cubic spline of length explains:
length may pay up to a point only (FiMi-RM, arXiv 2505.12843). (3) Neutral sentences are put before the
answer, from one to as many as make the text as long as the longest completion seen; for a model also the
text's own sentences once more; and every second sentence is taken away.

Figure: rho, or where padding decides, the mean shift of the reward under it in standard deviations of the
rewards. Correlation alone convicts no function: wrong completions ramble, cut-off ones lack their end tag.
It fails where padding shifts it by more than 0.2 standard deviations, or by more than 0.05 with a rho
beyond the limit; the interval over prompts has to lie beyond it as a whole. Where padding raises right texts
and lowers wrong ones, or the other way round, each kind is judged by itself. A model fails by rho alone
(ODIN, arXiv 2402.07319: 0.451 for a vanilla reward model), or where both kinds of padding earn; that filler
costs is no fault of a model. A penalty for long texts is meant to go with length, and only a gain by it is
a finding.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.reward.bench import Bench, Probe, limits_of
from vllm_migrate.reward.changes.invariance import Change, drawn, worst
from vllm_migrate.reward.changes.padding import on_lines, padded, repeated, trimmed
from vllm_migrate.reward.changes.paired import Shift, shifts
from vllm_migrate.reward.explain.lengths import cells_of, correlations, fixes_correctness, lengths_of
from vllm_migrate.reward.explain.opposed import SHIFTS, opposed_shifts
from vllm_migrate.reward.explain.ranks import explained
from vllm_migrate.reward.figures import judged, unsigned
from vllm_migrate.reward.outcome import Check, Outcome
from vllm_migrate.reward.penalty import is_penalty
from vllm_migrate.reward.sample import TIE

if TYPE_CHECKING:
    from vllm_migrate.reward.explain.ranks import Correlation
    from vllm_migrate.reward.outcome import Limits
    from vllm_migrate.reward.sample import Sample

NAME = "length"
FEWEST = 20
_ONE = 60  # characters of filler: one sentence
_FAR = 1.2  # times its length from the longest: less is as good as twice its length
ADVICE = (
    "a policy learns to ramble, or to stop thinking: take the length out of the reward; "
    'where it is meant to be there, ignore = ["length"]'
)
TRIMMED, TWICE, REPEATED = "trimmed", "twice as long", "own sentences again"


def examine(bench: Bench) -> Check:
    """Correlation, curve, and what padding does."""
    usable = np.flatnonzero(np.isfinite(bench.values))
    if len(usable) < FEWEST:
        return Check(NAME, Outcome.NOT_JUDGED, f"{len(usable)} rewards are too few; {FEWEST} are needed")
    raw, given = correlations(bench, usable)
    found = shifts_of(bench)
    if bench.spread <= TIE and not any(one.moves for one in found.values()):
        return Check(NAME, Outcome.NOT_APPLICABLE, "the reward is the same for every text")
    if is_penalty(bench) and not _gains(raw, given, found):
        return Check(NAME, Outcome.NOT_APPLICABLE, "a penalty, which takes nothing away from shorter texts")
    parts = {"within prompt": raw.rho.value} if raw is not None else {}
    if given is not None:
        parts["given correctness"] = given.rho.value
    spline = explained(lengths_of(bench)[usable], bench.values[usable], cells_of(bench)[0][usable])
    parts |= {"spline R2": spline} if spline is not None else {}
    parts |= {family: one.mean.value for family, one in found.items()}
    return _judged(bench, given or (None if fixes_correctness(bench) else raw), spline, found, parts)


def _judged(
    bench: Bench,
    correlation: Correlation | None,
    spline: float | None,
    found: dict[str, Shift],
    parts: dict[str, float],
) -> Check:
    limits = limits_of(bench, NAME)
    if correlation is not None and correlation.count < FEWEST:
        correlation = None
    by_rho = _by_correlation(limits, correlation, spline)
    pads = {family: one for family, one in found.items() if family != TRIMMED}
    strongest = _strongest(bench, pads)
    shift = pads[strongest] if strongest is not None else None
    if shift is None and correlation is None:
        reason = "no completion offers prose to pad, and lengths or rewards don't vary among equals"
        return Check(NAME, Outcome.NOT_JUDGED, reason, parts=parts)
    outcome, by_padding = _outcome(bench, by_rho, shift)
    opposed = None if bench.model else opposed_shifts(bench, pads)
    if opposed is not None:
        parts = parts | opposed.parts
        if opposed.outcome.severity > outcome.severity:
            shift, outcome, by_padding = opposed.larger, opposed.outcome, True
    said = []
    if correlation is not None:
        kind = "given correctness" if fixes_correctness(bench) else "within prompts"
        said.append(f"rho {correlation.rho.value:+.2f} with length {kind}")
    if opposed is not None and shift is opposed.larger:
        said.append(f"padding {opposed.said}")
    elif shift is not None:
        said.append(f"padding ({strongest}) shifts it by {shift.mean.value:+.2f} standard deviations")
        if outcome is Outcome.PASS and by_rho is not Outcome.PASS:
            said.append("so it goes with what longer texts say, not with their length")
    check = Check(
        NAME,
        outcome,
        "; ".join(said),
        parts=parts,
        worst=worst(shift.moved) if shift is not None and outcome is not Outcome.PASS else (),
        advice=ADVICE if outcome is not Outcome.PASS else "",
    )
    if shift is not None and (by_padding or correlation is None):
        unit = "shift under padding, in standard deviations"
        return replace(check, figure=shift.mean, unit=unit, count=len(shift.asked), limits=SHIFTS)
    if correlation is not None:
        check = replace(check, figure=correlation.rho, count=correlation.count)
    return replace(check, unit="Spearman's rho with length", limits=limits)


def _by_correlation(limits: Limits, correlation: Correlation | None, spline: float | None) -> Outcome:
    """What rho and the curve say alone."""
    if correlation is None:
        return Outcome.PASS
    outcome = judged(limits, unsigned(correlation.rho))
    turns = spline is not None and limits.judge(math.sqrt(spline)) is Outcome.FAIL
    return Outcome.WARN if outcome is Outcome.PASS and turns else outcome  # up and down again


def _outcome(bench: Bench, by_rho: Outcome, shift: Shift | None) -> tuple[Outcome, bool]:
    """The outcome, and whether padding decided it."""
    if bench.model:
        by_pad = judged(SHIFTS, shift.size) if shift is not None and shift.mean.value > 0 else Outcome.PASS
        by_padding = by_pad.severity > by_rho.severity
        return (by_pad if by_padding else by_rho), by_padding
    if shift is None:
        return (Outcome.WARN if by_rho is Outcome.FAIL else Outcome.PASS), False
    by_pad = judged(SHIFTS, shift.size)
    if by_pad is Outcome.PASS:
        return Outcome.PASS, False
    shown = shift.size.low is not None and shift.size.low > (SHIFTS.warn or 0.0)
    if by_rho is Outcome.FAIL and shown:
        return Outcome.FAIL, False
    return by_pad, True


def _strongest(bench: Bench, pads: dict[str, Shift]) -> str | None:
    """The kind of padding to judge by: the one that shifts most; for a model, the one that earns least."""
    if not pads:
        return None
    if bench.model:
        much = [family for family in (TWICE, REPEATED) if family in pads] or list(pads)
        return min(much, key=lambda family: pads[family].mean.value)
    return max(pads, key=lambda family: pads[family].size.value)


def _gains(raw: Correlation | None, given: Correlation | None, found: dict[str, Shift]) -> bool:
    """Whether longer texts earn more: among samples, and where they can be padded, by padding too.

    Padding alone does not tell: among new words, a text repeats itself less.
    """
    correlation = given or raw
    if correlation is not None and correlation.rho.value <= 0:
        return False
    pads = [one for family, one in found.items() if family != TRIMMED]
    return any(one.mean.value > (SHIFTS.warn or 0.0) for one in pads) if pads else correlation is not None


def shifts_of(bench: Bench) -> dict[str, Shift]:
    """What each kind of padding does to samples that earn much and little."""
    longest = max(len(sample.completion) for sample in bench.samples)

    def to_longest(sample: Sample) -> int:
        missing = longest - len(sample.completion)
        return missing if missing > _FAR * len(sample.completion) else 0

    words = "neutral sentences put before the answer, up to"
    changes = [
        Change("one sentence", "a neutral sentence put before the answer", padded(lambda _: _ONE)),
        Change(TWICE, f"{words} twice its length", padded(lambda sample: len(sample.completion))),
        Change("as the longest", f"{words} the length of the longest completion", padded(to_longest)),
        Change("lines", "three lines of neutral sentences put above the last line of prose", on_lines),
        Change(TRIMMED, "every second sentence without figures taken away", trimmed),
    ]
    if bench.model:
        changes.append(Change(REPEATED, "its own sentences once more before the answer", repeated))
    return shifts(bench, changes, drawn(bench))


PROBE = Probe(NAME, "Does length change the reward?", examine, order=110)
