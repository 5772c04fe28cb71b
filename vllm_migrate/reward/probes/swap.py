"""Does the reward look at the prompt? A completion that is right for one is wrong for another.

Procedure: right completions (those above their prompt's median, where answers are not known) are scored under
another prompt, with that prompt's columns. The other prompt's reference answer differs, by far where it is a
number, and the completion does not happen to say it. CROME (arXiv 2506.16507) trains reward models on such
pairs.

Figure: probability that a completion earns more under its own prompt than one from elsewhere does there, ties
counted half (the area under the ROC curve, by prompt), with an interval over prompts. It fails where the
whole interval is below the limit, which is 0.75 where answers are not known: a completion may be right
elsewhere, too. A reward that looks at the reference must not take any completion from elsewhere for right:
more than 3% of them, interval and all, fail, fewer are a warning. A function that looks at nothing but the
completion, and does not tell right from wrong, is a reward for form, and not asked.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.reward.answers.find import compare, find_answer
from vllm_migrate.reward.answers.parsed import parse
from vllm_migrate.reward.answers.same import final_of
from vllm_migrate.reward.bench import Bench, Probe, limits_of
from vllm_migrate.reward.changes.cases import Case, examples
from vllm_migrate.reward.changes.stakes import Reads, stakes_of
from vllm_migrate.reward.figures import clustered_mean, judged, share
from vllm_migrate.reward.outcome import Check, Limits, Outcome
from vllm_migrate.reward.sample import TIE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.reward.sample import Sample
    from vllm_migrate.statistics.verdict import Estimate

NAME = "swap"
FEWEST = 8
TAKEN = 0.03  # judgement, as the other probes' that count what a verifier takes wrongly
LOOSE = 0.75  # where answers are not known a completion may be right elsewhere, too (judgement)
_FAR = 0.3  # so far apart that no tolerance takes one number for the other
_TURNS = 2


def examine(bench: Bench) -> Check:
    """How surely a completion earns more under its own prompt."""
    stakes = stakes_of(bench)
    if stakes.reads is Reads.NOTHING:
        message = "it looks at neither prompt nor reference: a reward for form earns the same anywhere"
        return Check(NAME, Outcome.NOT_APPLICABLE, message)
    pairs = _pairs(bench, _base(bench))
    prompts = {sample.group for _, sample in pairs}
    if len(prompts) < FEWEST:
        message = f"{len(prompts)} prompts with a right completion to swap are too few; {FEWEST} are needed"
        return Check(NAME, Outcome.NOT_JUDGED, message)
    scores = bench.score([sample for _, sample in pairs])
    cases = [
        Case(
            "swapped",
            "a completion of another prompt",
            sample,
            float(bench.values[index]),
            score.value,
            stakes.earns(score.value, sample.group) if stakes.reads is Reads.REFERENCE else False,
        )
        for (index, sample), score in zip(pairs, scores, strict=True)
    ]
    known = [case for case in cases if case.after is not None]
    if not known:
        return Check(NAME, Outcome.NOT_JUDGED, "swapped completions got no reward")
    wins = np.array([_wins(case) for case in known])
    figure = clustered_mean(wins, np.array([case.sample.group for case in known]), seed=bench.seed)
    taken = share(sum(case.counts for case in cases), len(cases))
    limits = limits_of(bench, NAME)
    if all(sample.answer is None for sample in bench.samples) and "set by the user" not in limits.source:
        limits = Limits(LOOSE, LOOSE, above=False, source=f"{limits.source}; without answers {LOOSE:g}")
    outcome = judged(limits, figure)
    if taken.value > 0 and outcome is not Outcome.FAIL:
        outcome = Outcome.FAIL if (taken.low or 0.0) > TAKEN else Outcome.WARN
    parts = {"AUC": figure.value}
    if stakes.reads is Reads.REFERENCE:
        parts["taken for right"] = taken.value
    found = outcome is not Outcome.PASS
    bad = sorted((c for c in known if c.counts or _wins(c) < 1), key=lambda c: -(c.after or 0.0))
    return Check(
        NAME,
        outcome,
        _message(figure, taken, verifier=stakes.reads is Reads.REFERENCE),
        figure=figure,
        unit="AUC of own against swapped completions",
        count=len(cases),
        counted="completions",
        limits=limits,
        worst=examples(bad) if found else (),
        parts=parts,
        advice="give the reward the prompt or the reference, and compare with that" if found else "",
    )


def _base(bench: Bench) -> list[int]:
    """Indices of completions that are right, or among the better half of their prompt."""
    right = list(stakes_of(bench).right_samples)
    if right or stakes_of(bench).reads is Reads.REFERENCE:
        return right
    return [
        i
        for i in bench.some
        if bench.values[i] >= stakes_of(bench).bar(bench.samples[i].group)
        and (bench.values[i] > bench.bottom + TIE or bench.top - bench.bottom <= TIE)
    ]


def _pairs(bench: Bench, base: Sequence[int]) -> list[tuple[int, Sample]]:
    """An index, and under its prompt the completion of another one's.

    Two that exchange their completions stand beside each other: a reward that looks through the references
    of a whole batch has both of them before it.
    """
    draw = bench.random(NAME)
    found: list[tuple[int, Sample]] = []
    turns = dict.fromkeys(base, 0)
    for index in base:
        own = bench.samples[index]
        others = [i for i in base if bench.samples[i].group != own.group and i != index]
        draw.shuffle(others)
        chosen = [i for i in others if _says_else(own, bench.samples[i])]
        far = [i for i in chosen if _far(own.answer, bench.samples[i].answer)]
        for other in sorted(far or chosen, key=lambda i: turns[i])[: max(_TURNS - turns[index], 0)]:
            found.append((index, own.with_completion(bench.samples[other].completion)))
            turns[index] += 1
            if turns[other] < _TURNS and _says_else(bench.samples[other], own):
                found.append((other, bench.samples[other].with_completion(own.completion)))
                turns[other] += 1
    return found


def _says_else(own: Sample, other: Sample) -> bool:
    """Whether a completion of another prompt surely is none of this one's."""
    if other.completion == own.completion or (own.columns and own.columns == other.columns):
        return False
    if own.answer is None or other.answer is None:
        return True
    return (
        compare(own.answer, other.answer) is not True
        and final_of(own.answer).casefold() != final_of(other.answer).casefold()
        and find_answer(other.completion, own.answer) is None
    )


def _far(one: str | None, other: str | None) -> bool:
    """Whether two answers are no numbers, or far apart."""
    if one is None or other is None:
        return True
    formulas = [parse(final_of(answer)).formula for answer in (one, other)]
    numbers = [float(f.values[0]) for f in formulas if f is not None and not f.variables]
    if len(numbers) < len(formulas):
        return True
    return abs(numbers[0] - numbers[1]) > _FAR * max(abs(numbers[0]), abs(numbers[1]))


def _wins(case: Case) -> float:
    """1 where it earns more under its own prompt, half where it earns the same."""
    if case.before is None or case.after is None:
        return math.nan
    return 0.5 if abs(case.before - case.after) <= TIE else float(case.before > case.after)


def _message(figure: Estimate, taken: Estimate, *, verifier: bool) -> str:
    if verifier and taken.value > 0:
        return f"{taken.value:.1%} of other prompts' completions are taken for right (AUC {figure.value:.2f})"
    if verifier:
        return f"no completion from another prompt is taken for right (AUC {figure.value:.2f})"
    return f"a completion earns more under its own prompt with probability {figure.value:.2f} (AUC)"


PROBE = Probe(NAME, "Does the reward look at the prompt?", examine, order=240)
