"""Does the reward know the answer when it is written in another way? 1,000 and 1000, 1/2 and 0.5, b and B.

Procedure: in right completions the answer is written in other ways that mean the same, and nothing else is
changed. A verifier that refuses them teaches the policy notation, and the stronger the policy the more right
answers it loses (arXiv 2505.22203).

Not every refusal is a fault. A reward may document that it wants a capital letter, a decimal number, a number
without a unit. Refused forms are named as a warning; such that hardly anybody writes unasked (42.0, +42, 042)
are only listed. It fails where a reward that reads some other forms refuses one that every normaliser reads
(thousands separators, spaces inside a box or tags, dfrac); and where any form is refused that the policy's
own right completions use.

Figure: share of rewritten right answers that are refused, of the worst family, with the exact interval. It
warns where the figure lies beyond a limit, and fails where the whole interval does. It applies to rewards
that look at the reference answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.reward.answers.find import given_answer, replace_answer
from vllm_migrate.reward.answers.parsed import parse
from vllm_migrate.reward.answers.same import final_of
from vllm_migrate.reward.bench import Bench, Probe, limits_of
from vllm_migrate.reward.changes.cases import Case, examples, listed, shares, sizes
from vllm_migrate.reward.changes.rewritings import REWRITINGS, writes
from vllm_migrate.reward.changes.stakes import Reads, stakes_of
from vllm_migrate.reward.figures import judged
from vllm_migrate.reward.outcome import Check, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.statistics.verdict import Estimate

NAME = "equivalence"
FEWEST = 8
_MOST = 32
_ADVICE = "normalise both answers before they are compared, or say in the prompt which form counts"
_FEWEST_OF_A_FAMILY = 4
_FEWEST_WRITTEN = 2  # right completions of the policy's that make a form its own: one may be an accident


def examine(bench: Bench) -> Check:
    """Share of rewritten right answers that are refused, by family."""
    stakes = stakes_of(bench)
    if stakes.reads is not Reads.REFERENCE:
        message = "it does not look at a reference answer, so there is none to write in another way"
        return Check(NAME, Outcome.NOT_APPLICABLE, message)
    cases = _cases(bench, stakes.right_samples[:_MOST])
    counts = sizes(cases)
    cases = [case for case in cases if counts[case.family] >= _FEWEST_OF_A_FAMILY]
    if not stakes.right_samples:
        return Check(NAME, Outcome.NOT_JUDGED, "no completion surely gives the right answer and earns for it")
    prompts = len({case.sample.group for case in cases})
    if not cases:
        return Check(
            NAME, Outcome.NOT_APPLICABLE, "the answers can't be written in another way, or too few can"
        )
    if prompts < FEWEST:
        message = (
            f"{prompts} prompts whose answer can be written in another way are too few; {FEWEST} are needed"
        )
        return Check(NAME, Outcome.NOT_JUDGED, message)
    found = shares(cases)
    limits = limits_of(bench, NAME)
    verdicts = {family: judged(limits, estimate) for family, estimate in found.items()}
    refused = [family for family, verdict in verdicts.items() if verdict is not Outcome.PASS]
    faults = _faults(bench, [f for f in refused if verdicts[f] is Outcome.FAIL], found)
    odd = {one.family for one in REWRITINGS if one.odd}
    refused = [family for family in refused if family not in odd or family in faults]
    outcome = Outcome.FAIL if faults else Outcome.WARN if refused else Outcome.PASS
    named = faults or sorted(refused, key=lambda family: -found[family].value)
    judged_families = [family for family in found if family not in odd] or list(found)
    worst = max(named or judged_families, key=lambda family: found[family].value)
    return Check(
        NAME,
        outcome,
        _message(faults, named, found, worst, len(cases)),
        figure=found[worst],
        unit="share of rewritten right answers that are refused",
        count=len(cases),
        counted="completions",
        limits=limits,
        worst=examples(
            [
                c
                for family in dict.fromkeys([*named, *refused])
                for c in cases
                if c.counts and c.family == family
            ]
        ),
        parts={family: estimate.value for family, estimate in found.items()},
        advice=_ADVICE if refused else "",
    )


def _cases(bench: Bench, base: Sequence[int]) -> list[Case]:
    """Right completions with their answer written in other ways; those count that are refused."""
    stakes = stakes_of(bench)
    made = []
    for index in base:
        sample = bench.samples[index]
        answer = final_of(sample.answer or "")
        given = given_answer(sample.completion, like=sample.answer or "")
        if given is not None and parse(answer).kind == "choice" and given.text != answer:
            continue  # (B) would become ((B))
        for rewriting in REWRITINGS:
            text = rewriting.of(answer, given.form if given is not None else "")
            changed = replace_answer(sample, text) if text is not None else None
            if changed is not None and changed.completion != sample.completion:
                made.append((rewriting, index, text, changed))
    scores = bench.score([sample for _, _, _, sample in made])
    cases = []
    for (rewriting, index, text, sample), score in zip(made, scores, strict=True):
        before = float(bench.values[index])
        stays = score.value is not None and score.value >= before - stakes.slack
        takes = stays or stakes.earns(score.value, sample.group)
        words = f"{rewriting.words}: {text}"
        cases.append(Case(rewriting.family, words, sample, before, score.value, not takes))
    return cases


def _faults(bench: Bench, refused: Sequence[str], found: dict[str, Estimate]) -> list[str]:
    """Families that a reward must not refuse: the policy writes so, or every normaliser reads it."""
    if not refused:
        return []
    written: dict[str, int] = {}
    for sample in bench.samples:
        if sample.sampled and sample.answer is not None:
            for family in writes(sample.completion, sample.answer):
                written[family] = written.get(family, 0) + 1
    expected = {one.family for one in REWRITINGS if one.expected}
    spaces = REWRITINGS[0].family
    reads_some = any(
        estimate.value < 1 / 2 for family, estimate in found.items() if family not in {*refused, spaces}
    )
    return [
        family
        for family in refused
        if written.get(family, 0) >= _FEWEST_WRITTEN or (reads_some and family in expected)
    ]


def _message(
    faults: Sequence[str], named: Sequence[str], found: dict[str, Estimate], worst: str, count: int
) -> str:
    share = found[worst].value
    if not named:
        return f"at most {share:.1%} of {count} rewritten right answers are refused ({worst})"
    if faults:
        return f"right answers are refused for how they are written: {listed(faults)} ({share:.1%})"
    return f"{listed(named)}: up to {share:.1%} of right answers written so are refused, which may be meant"


PROBE = Probe(NAME, "Is an answer known when it is written in another way?", examine, order=260)
