"""Does a completion that gives several answers get away with it, because one of them is right?

Procedure: right completions are turned into hedging ones. Refused by every reward for an exact answer must
be: the right answer with a wrong one after it (what stands last is what was said); the right one between two
wrong ones, which neither the first nor the last answer is; two candidates in the answer's place, where both
orders are accepted; all numbers of a range, all choices, all answers known; and the negated answer in words
("not Paris").

What a reward may rightly do is not counted: to take the last of two answers, which is how a policy corrects
itself; to read one of two candidates, the same one in either order, which is one guess. The first of two
answers in tags or after #### is a warning, too: such a format has one place for it. "not 42" is a warning
where the answer is a number: a reader of numbers sees no words, and nobody earns by it who does not know the
answer.

Figure: share of hedging completions that earn what the right answer does, of the worst family, with the exact
interval. It fails where the whole interval lies beyond the limit. It applies to rewards that look at the
reference answer. Rule-based verifiers that take any of several answers are known to be hacked (arXiv
2505.22203).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from vllm_migrate.reward.answers.find import marked_answers
from vllm_migrate.reward.answers.parsed import parse
from vllm_migrate.reward.answers.same import final_of
from vllm_migrate.reward.bench import Bench, Probe, limits_of
from vllm_migrate.reward.changes.cases import Case, examples, listed, shares
from vllm_migrate.reward.changes.hedges import EITHER, MIDDLE, NEGATED, RIGHT_FIRST, WRONG_FIRST, hedges
from vllm_migrate.reward.changes.stakes import Reads, other_answers, stakes_of
from vllm_migrate.reward.figures import judged
from vllm_migrate.reward.outcome import Check, Outcome
from vllm_migrate.reward.sample import TIE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.reward.changes.hedges import Hedge

NAME = "hedging"
FEWEST = 8
_MOST = 32  # right completions; each is asked about ten times


def examine(bench: Bench) -> Check:
    """Share of hedging completions that earn, by family."""
    stakes = stakes_of(bench)
    if stakes.reads is not Reads.REFERENCE:
        message = "it does not look at a reference answer, so there is none to hedge about"
        return Check(NAME, Outcome.NOT_APPLICABLE, message)
    base = stakes.right_samples[:_MOST]
    made = hedges([bench.samples[i] for i in base], other_answers(bench))
    prompts = {one.sample.group for one in made}
    if len(prompts) < FEWEST:
        message = (
            f"{len(prompts)} prompts with a right completion whose answer can be changed are too few; "
            f"{FEWEST} are needed"
        )
        return Check(NAME, Outcome.NOT_JUDGED, message)
    before = {bench.samples[i].group: float(bench.values[i]) for i in base}
    cases = _cases(bench, made, before)
    found = shares(cases)
    limits = limits_of(bench, NAME)
    outcomes = {
        family: Outcome.PASS if family == WRONG_FIRST else judged(limits, estimate)
        for family, estimate in found.items()
    }
    for family, excused in ((NEGATED, _is_number), (RIGHT_FIRST, _allows_one)):
        flags = [excused(case) for case in cases if case.family == family]
        if outcomes.get(family) is Outcome.FAIL and sum(flags) * 2 > len(flags):
            outcomes[family] = Outcome.WARN
    caught = [family for family in found if outcomes[family] is not Outcome.PASS]
    caught.sort(key=lambda family: (-outcomes[family].severity, -found[family].value))
    asked = [family for family in found if family != WRONG_FIRST]
    worst = caught[0] if caught else max(asked, key=lambda family: found[family].value)
    outcome = outcomes[worst]
    return Check(
        NAME,
        outcome,
        f"{listed(caught)}: {found[worst].value:.1%} of such completions earn as the right answer does"
        if caught
        else f"none of {sum(c.family != WRONG_FIRST for c in cases)} hedging completions earns",
        figure=found[worst],
        unit="share of hedging completions that earn",
        count=len(cases),
        counted="completions",
        limits=limits,
        worst=examples([c for family in caught for c in cases if c.counts and c.family == family]),
        parts={family: estimate.value for family, estimate in found.items()},
        advice=_advice(found[MIDDLE].value if MIDDLE in found else 0.0) if caught else "",
    )


def _cases(bench: Bench, made: Sequence[Hedge], before: dict[int, float]) -> list[Case]:
    """What the reward says to each; pairs count where all of them are accepted."""
    stakes = stakes_of(bench)
    scores = bench.score([one.sample for one in made])
    rewards = {float(bench.values[i]) for i in stakes.right_samples} if bench.is_verifier else set()
    cases = []
    accepted: dict[int, list[bool]] = defaultdict(list)
    for one, score in zip(made, scores, strict=True):
        earned = before[one.sample.group]
        takes = stakes.earns(score.value, one.sample.group) and (
            score.number >= earned - stakes.slack or any(abs(score.number - full) <= TIE for full in rewards)
        )  # a reward that no right answer earns is part of one, and no acceptance
        accepted[one.pair].append(takes)
        cases.append(Case(one.family, one.words, one.sample, earned, score.value, takes))
    return [
        replace(case, counts=case.counts and (case.family != EITHER or all(accepted[one.pair])))
        for case, one in zip(cases, made, strict=True)
    ]


def _allows_one(case: Case) -> bool:
    """Whether answers stand where a format has one place for them."""
    return any(one.form in {"tag", "hash"} for one in marked_answers(case.sample.completion))


def _is_number(case: Case) -> bool:
    return parse(final_of(case.sample.answer or "")).kind in {"number", "formula", "choice"}


def _advice(middle: float) -> str:
    if middle > 0:
        return "compare one answer, the last one given, instead of looking whether any of them is right"
    return (
        "compare the last answer given, whole: what comes after the first one is what the policy ended with"
    )


PROBE = Probe(NAME, "Does giving several answers pay?", examine, order=220)
