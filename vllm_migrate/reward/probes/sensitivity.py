"""Does the reward fall where the answer is made wrong?

Procedure: in right completions the answer is changed: by 1, by a twentieth, a tenth and a half, its sign
flipped, two digits transposed, a digit more or less, another choice, another prompt's words, "not" before an
answer in words, another unit; and the sentence that gives the answer is left out. Nothing else is touched.
CROME (arXiv 2506.16507) calls such pairs causal.

Changes of less than 4.5% are counted apart: a verifier with a tolerance takes them, and is not blamed for it;
that it takes a twentieth is a warning. So is another unit, which readers of numbers don't see.

Figure: share of changed completions that earn less, of the worst family, with the exact interval. It fails
where the whole interval lies below the limit; for a reward model below 80%. For rewards that look at the
reference it means no longer to earn what right ones do. A function that looks at nothing but the completion
is not asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.reward.bench import Bench, Probe, limits_of
from vllm_migrate.reward.changes.cases import Case, examples, listed, shares, sizes
from vllm_migrate.reward.changes.corruptions import NEAR, TWENTIETH, UNIT, corruptions
from vllm_migrate.reward.changes.stakes import Reads, other_answers, stakes_of
from vllm_migrate.reward.figures import judged
from vllm_migrate.reward.outcome import Check, Limits, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.reward.sample import Sample
    from vllm_migrate.statistics.verdict import Estimate

NAME = "sensitivity"
FEWEST = 8
MODEL = 0.8  # a model is asked for less: it weighs how a completion reads, too (judgement)
_MOST = 48
_HALF = 0.5


def examine(bench: Bench) -> Check:
    """Share of corrupted completions that earn less, by family."""
    stakes = stakes_of(bench)
    if stakes.reads is Reads.NOTHING:
        message = "it looks at neither prompt nor reference: no answer is right or wrong to it"
        return Check(NAME, Outcome.NOT_APPLICABLE, message)
    if all(sample.answer is None for sample in bench.samples):
        return Check(NAME, Outcome.NOT_APPLICABLE, "no reference answers are known")
    base = stakes.right_samples[:_MOST]
    made = corruptions([bench.samples[i] for i in base], other_answers(bench))
    prompts = {one.sample.group for one in made}
    if len(prompts) < FEWEST:
        message = (
            f"{len(prompts)} prompts with a right completion whose answer can be changed are too few; "
            f"{FEWEST} are needed"
        )
        return Check(NAME, Outcome.NOT_JUDGED, message)
    cases = _cases(bench, [(one.family, one.words, one.sample) for one in made], base)
    found = shares(cases)
    outcomes = {family: _judged(bench, family, found, sizes(cases)) for family in found}
    caught = [family for family in found if outcomes[family] is not Outcome.PASS]
    caught.sort(key=lambda family: (-outcomes[family].severity, found[family].value))
    asked = [family for family in found if family not in {NEAR, TWENTIETH, UNIT}] or list(found)
    worst = caught[0] if caught else min(asked, key=lambda family: found[family].value)
    return Check(
        NAME,
        outcomes[worst],
        _message(caught, worst, found),
        figure=found[worst],
        unit="share of completions that earn less once they are wrong",
        count=len(cases),
        counted="completions",
        limits=_limits(bench),
        worst=examples([c for family in caught for c in cases if not c.counts and c.family == family]),
        parts={family: estimate.value for family, estimate in found.items()},
        advice="compare the answer that is given with the reference, sign, digits and all" if caught else "",
    )


def _limits(bench: Bench) -> Limits:
    limits = limits_of(bench, NAME)
    if stakes_of(bench).reads is Reads.REFERENCE or "set by the user" in limits.source:
        return limits
    return Limits(MODEL, MODEL, above=False, source=f"{limits.source}; of a model 80%")


def _cases(bench: Bench, made: list[tuple[str, str, Sample]], base: Sequence[int]) -> list[Case]:
    """What the reward says to each; those count that earn less than they did."""
    stakes = stakes_of(bench)
    before = {bench.samples[i].group: float(bench.values[i]) for i in base}
    scores = bench.score([sample for _, _, sample in made])
    cases = []
    for (family, words, sample), score in zip(made, scores, strict=True):
        earned = before[sample.group]
        falls = score.value is None or score.value < earned - stakes.slack
        cases.append(Case(family, words, sample, earned, score.value, falls))
    return cases


def _judged(bench: Bench, family: str, found: dict[str, Estimate], counts: dict[str, int]) -> Outcome:
    if family == NEAR or counts[family] < FEWEST // 2:
        return Outcome.PASS
    outcome = judged(_limits(bench), found[family])
    return Outcome.WARN if family in {TWENTIETH, UNIT} and outcome is Outcome.FAIL else outcome


def _message(caught: list[str], worst: str, found: dict[str, Estimate]) -> str:
    value = found[worst].value
    if caught:
        return (
            f"{listed(caught)}: {value:.1%} of completions made wrong so earn less, the others what they did"
        )
    tolerant = NEAR in found and found[NEAR].value < _HALF
    near = "; it takes numbers that are a little off" if tolerant else ""
    return f"at least {value:.1%} of completions earn less once they are wrong ({worst}){near}"


PROBE = Probe(NAME, "Does the reward fall where the answer is wrong?", examine, order=250)
