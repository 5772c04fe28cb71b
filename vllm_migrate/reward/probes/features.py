"""Does anything that can be counted pay, beyond being right? A scan for what a reward may be overfitted to.

Procedure: some thirty features that need no understanding are counted in every completion (length, lines,
digits, bullets, bold type, boxes, question marks, hedging words, words of refusal, other scripts, how it
begins, whether it was cut off, ...). Held fixed are the prompt, whether the answer is right and in which form
it is given; of a function also the structure it may ask for (tags, a box, a code fence, coming to an end).
Beyond that, ridge regression on all features predicts the rewards of prompts it was not fitted on, in five
folds of prompts. The null are rewards exchanged within prompts, 200 times for all features together and 1,999
times for each alone; single features are corrected by S. Holm's method (1979).

Figure: what the features add to the share of the rewards' variance within prompts that is predicted, with an
interval over prompts. It fails where it lies beyond the limit, its whole interval beyond the warning's, the
gain is above that of 95% of exchanges, and a single feature survives the correction at 5%: that one is named.
Where it isn't known what is right, or a function does not look at the reference, features may stand for what
the reward is meant for, and it warns only. Features of a probe that is switched off (`length`, `format`) are
held fixed too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.reward.answers.reference import reads_answer
from vllm_migrate.reward.bench import Bench, Probe, limits_of
from vllm_migrate.reward.explain.features import FORMATS, LENGTHS, features_of
from vllm_migrate.reward.explain.held import held_fixed
from vllm_migrate.reward.explain.scan import scan
from vllm_migrate.reward.outcome import Check, Example, Outcome
from vllm_migrate.reward.penalty import is_penalty
from vllm_migrate.reward.sample import TIE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vllm_migrate.reward.explain.held import Held
    from vllm_migrate.reward.explain.scan import Scan, Single
    from vllm_migrate.reward.outcome import Limits
    from vllm_migrate.statistics.verdict import Estimate

NAME = "features"
FEWEST, FEWEST_PROMPTS = 80, 20
LEVEL = 0.05
_SHOWN = 400
_MOST_EXAMPLES = 3
_MOST_PARTS = 6
_MOST_PROMPTS = 2000
_PROBES = {"length": LENGTHS, "format": FORMATS}


def examine(bench: Bench) -> Check:
    """The scan, and what survives it."""
    if not any(sample.sampled for sample in bench.samples):
        return Check(NAME, Outcome.NOT_APPLICABLE, "no policy wrote the completions")
    held = held_fixed(bench)
    rows = _rows(bench, held)
    prompts = len(np.unique(bench.groups[rows]))
    if len(rows) < FEWEST or prompts < FEWEST_PROMPTS:
        message = (
            f"{len(rows)} different completions of {prompts} prompts that have two or more are too few; "
            f"{FEWEST} of {FEWEST_PROMPTS} are needed"
        )
        return Check(NAME, Outcome.NOT_JUDGED, message)
    if is_penalty(bench):
        return Check(NAME, Outcome.NOT_APPLICABLE, "a penalty, which is for something that can be counted")
    if held.correctness is False and bench.is_verifier and reads_answer(bench):
        reason = "what is right is known from the reward alone, and nothing is left beyond that"
        return Check(NAME, Outcome.NOT_APPLICABLE, reason)
    columns = features_of([bench.samples[row] for row in rows])
    fixed, suspects = _parted(bench, held.columns[rows], columns)
    found = scan(bench.values[rows], suspects, fixed, bench.groups[rows], seed=bench.seed)
    if found is None:
        return Check(NAME, Outcome.NOT_APPLICABLE, "no prompt's completions earn different rewards")
    return _judged(bench, held, rows, suspects, found)


def _rows(bench: Bench, held: Held) -> NDArray[np.int64]:
    """Usable samples of prompts with two or more; a completion that was sampled twice counts once."""
    first: dict[tuple[int, str], int] = {}
    for index, sample in enumerate(bench.samples):
        if held.usable[index]:
            first.setdefault((sample.group, sample.completion), index)
    rows = np.array(sorted(first.values()), dtype=np.int64)
    groups = bench.groups[rows]
    numbers, counts = np.unique(groups, return_counts=True)
    several = numbers[counts > 1]
    if len(several) > _MOST_PROMPTS:
        several = np.random.default_rng(bench.seed).choice(several, _MOST_PROMPTS, replace=False)
    return rows[np.isin(groups, several)]


def _parted(
    bench: Bench, fixed: NDArray[np.float64], columns: dict[str, NDArray[np.float64]]
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """What is held fixed, with the features of probes that the user switched off; and the others."""
    allowed = {name for probe in bench.ignored & _PROBES.keys() for name in _PROBES[probe]}
    meant = [column for name, column in columns.items() if name in allowed]
    rest = {name: column for name, column in columns.items() if name not in allowed}
    squared = [column**2 for column in meant]  # what is meant to pay may pay in a curve
    return (np.column_stack([fixed, *meant, *squared]) if meant else fixed), rest


def _judged(
    bench: Bench,
    held: Held,
    rows: NDArray[np.int64],
    columns: dict[str, NDArray[np.float64]],
    found: Scan,
) -> Check:
    limits = limits_of(bench, NAME)
    survivors = [one for one in found.singles if one.p <= LEVEL]
    outcome = _by_gain(limits, found.gain)
    if not survivors or found.gain.value <= found.null:
        outcome = Outcome.PASS
    about_right = held.correctness and (bench.model or reads_answer(bench))
    beyond = "beyond being right" if held.correctness else "(what is right isn't known)"
    message = (
        f"cheap features add {max(found.gain.value, 0.0):.1%} to the variance explained {beyond}"
        f" (exchanged: {max(found.null, 0.0):.1%})"
    )
    if outcome is not Outcome.PASS:
        message += "; " + _named(survivors)
    if outcome is Outcome.FAIL and not about_right:
        outcome = Outcome.WARN
        message += "; that may be what this reward is for"
    elif outcome is Outcome.PASS and survivors:
        message += f"; no more than a trace of {survivors[0].name}"
    return Check(
        NAME,
        outcome,
        message,
        figure=found.gain,
        unit="share of variance within prompts",
        count=len(rows),
        counted="completions",
        limits=limits,
        worst=_worst(bench, held, rows, columns, survivors[0]) if outcome is not Outcome.PASS else (),
        parts={one.name: one.sign * one.share for one in survivors[:_MOST_PARTS]},
        advice=_advice(survivors[0]) if outcome is not Outcome.PASS else "",
    )


def _by_gain(limits: Limits, gain: Estimate) -> Outcome:
    """FAIL where the gain is beyond the limit and its whole interval beyond the warning's.

    That it is more than chance has been shown by then.
    """
    outcome = limits.judge(gain.value)
    if outcome is Outcome.FAIL and gain.low is not None and limits.judge(gain.low) is Outcome.PASS:
        return Outcome.WARN
    return outcome


def _named(survivors: list[Single]) -> str:
    first = survivors[0]
    said = f"{first.name} {'pay' if first.sign > 0 else 'cost'}"
    others = [one.name for one in survivors[1:3]]
    return said + (f" most, then {' and '.join(others)}" if others else "")


def _advice(first: Single) -> str:
    return (
        f"a policy learns {'more' if first.sign > 0 else 'less'} of it ({first.name}) instead of being right:"
        " look at the pairs below, and take it out of the reward"
    )


def _worst(
    bench: Bench,
    held: Held,
    rows: NDArray[np.int64],
    columns: dict[str, NDArray[np.float64]],
    first: Single,
) -> tuple[Example, ...]:
    """Pairs of one prompt and one pattern that differ most in the feature and earn accordingly."""
    column = columns[first.name]
    cells: dict[tuple[int, int], list[int]] = {}
    for place, row in enumerate(rows):
        cells.setdefault((int(bench.groups[row]), int(held.patterns[row])), []).append(place)
    pairs = []
    for members in cells.values():
        low, high = (min(members, key=lambda p: column[p]), max(members, key=lambda p: column[p]))
        paid = first.sign * (bench.values[rows[high]] - bench.values[rows[low]])
        if column[high] > column[low] and paid > TIE:
            pairs.append((float(paid * (column[high] - column[low])), int(rows[low]), int(rows[high])))
    return tuple(
        Example(
            change=f"another completion of the prompt, as right, with more of it ({first.name})",
            before=bench.scores[less].value,
            after=bench.scores[more].value,
            completion=bench.samples[more].completion[:_SHOWN],
            prompt=bench.samples[more].prompt[-_SHOWN:],
        )
        for _, less, more in sorted(pairs, reverse=True)[:_MOST_EXAMPLES]
    )


PROBE = Probe(NAME, "Does anything that can be counted pay, beyond being right?", examine, order=140)
