"""Texts that give no answer and want a reward all the same: put to prompts, and held against the bar.

A text that happens to say a prompt's reference answer (the echo of a multiple-choice question) is counted
apart: that a verifier accepts some of those can be chance, that it accepts most of them can't.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vllm_migrate.reward.answers.same import final_of
from vllm_migrate.reward.bench import Bench, limits_of
from vllm_migrate.reward.changes.cases import SHOWN, each_kind_first, listed, shortened
from vllm_migrate.reward.changes.corruptions import far_off
from vllm_migrate.reward.changes.stakes import Reads, other_answers, says_answer, stakes_of
from vllm_migrate.reward.figures import judged, share
from vllm_migrate.reward.outcome import Check, Example, Limits, Outcome
from vllm_migrate.reward.penalty import is_penalty
from vllm_migrate.reward.sample import TIE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vllm_migrate.reward.sample import Sample, Score
    from vllm_migrate.statistics.verdict import Estimate

FEWEST_TEXTS = 100
"""0 of 100 leave at most 3.6% by the two-sided 95% interval; fewer bound too little."""

FEWEST_OF_FORM = 32
"""A reward for form is asked with few texts, held against samples of the same length."""

MODEL = Limits(
    0.2,
    0.5,
    above=True,
    source="of a model or a judge, by text: one half is what chance gives a text worth as much (judgement)",
)

_MOST_EXAMPLES = 5
_MOSTLY = 0.5


@dataclass(frozen=True, slots=True)
class Trick:
    """A text that is no answer.

    Attributes:
        family: groups texts in the report's table.
        words: what it is, for the examples.
        text: made from a sample of the prompt; None where it can't be.
        control: the same form around a wrong answer, made from a sample and that answer: what the form alone
            earns. None where there is no such thing.
        of_form: it has a form that a reward for form pays for rightly.
    """

    family: str
    words: str
    text: Callable[[Sample], str | None]
    control: Callable[[Sample, str], str] | None = None
    of_form: bool = False


@dataclass(frozen=True, slots=True)
class Tried:
    """One text after one prompt.

    Attributes:
        trick, sample: the text as it was scored.
        score: what it earned. `bar` what a wrong completion does.
        hit: it earned what wrong ones don't. `above` more than wrong ones, yet nearer to those.
        says_it: it happens to say the reference answer.
    """

    trick: Trick
    sample: Sample
    score: Score
    bar: float
    hit: bool
    above: bool
    says_it: bool


def fixed(text: str) -> Callable[[Sample], str]:
    """The same text whatever the sample."""
    return lambda _: text


def one_a_prompt(bench: Bench, most: int) -> list[Sample]:
    """A sample of every prompt with a reward, a right one where there is one; at most `most` prompts."""
    by_group: dict[int, Sample] = {}
    for index in [*stakes_of(bench).right_samples, *bench.right, *bench.some]:
        by_group.setdefault(bench.samples[index].group, bench.samples[index])
    found = [by_group[group] for group in sorted(by_group)]
    return found if len(found) <= most else bench.random("prompts").sample(found, most)


def put(bench: Bench, tricks: Sequence[Trick], samples: Sequence[Sample]) -> list[Tried]:
    """Every text after every prompt."""
    stakes = stakes_of(bench)
    others = other_answers(bench)
    asked: list[tuple[Trick, Sample, Sample | None]] = []
    for sample in samples:
        wrong = far_off(final_of(sample.answer), others=others) if sample.answer is not None else None
        for trick in tricks:
            text = trick.text(sample)
            if text is not None and text != sample.completion:
                form = _fitted(sample, len(text)) if stakes.reads is Reads.NOTHING else None
                if form is None and trick.control is not None and wrong is not None:
                    form = trick.control(sample, wrong)
                control = sample.with_completion(form) if form is not None else None
                asked.append((trick, sample.with_completion(text), control))
    scores = bench.score([sample for _, sample, _ in asked])
    controls = iter(bench.score([control for _, _, control in asked if control is not None]))
    found = []
    for (trick, sample, control), score in zip(asked, scores, strict=True):
        bar = stakes.bar(sample.group)
        of_form = next(controls).value if control is not None else None
        if stakes.reads is Reads.REFERENCE and not trick.of_form and stakes.earns(of_form, sample.group):
            of_form = None  # a wrong answer that is taken for right excuses nothing
        earned = score.value if of_form is None or score.value is None else _beyond(score.value, of_form, bar)
        hit = stakes.earns(earned, sample.group)
        above = not hit and earned is not None and earned > bar + stakes.slack
        found.append(Tried(trick, sample, score, bar, hit, above, says_answer(sample)))
    return found


def _fitted(sample: Sample, length: int) -> str:
    """The sample's own text repeated or cut to a length: what that many characters alone earn."""
    text = sample.completion or "."
    return (f"{text}\n" * (length // (len(text) + 1) + 1))[:length]


def _beyond(value: float, of_form: float, bar: float) -> float:
    """What a text earns without what its form alone does."""
    return value - max(of_form - bar, 0.0)


def examine_tricks(bench: Bench, name: str, tricks: Sequence[Trick], *, most: int = 32, advice: str) -> Check:
    """The check of a probe whose question is whether texts without an answer earn.

    The outcome goes by the worst family. Texts that earn more than wrong ones, yet less than half way to what
    right ones do, are a warning.
    """
    stakes = stakes_of(bench)
    if not len(bench.levels):
        return Check(name, Outcome.NOT_JUDGED, "no sample has a reward")
    if stakes.reads is Reads.NOTHING and is_penalty(bench):
        return Check(name, Outcome.NOT_APPLICABLE, "a penalty, which an empty text need not incur")
    if stakes.reads is Reads.NOTHING:
        tricks = [trick for trick in tricks if not trick.of_form]
    if not tricks:
        message = "it looks at nothing but the completion's form, and these texts are no form"
        return Check(name, Outcome.NOT_APPLICABLE, message)
    tried = put(bench, tricks, one_a_prompt(bench, min(most, bench.most)))
    if not tried:
        return Check(name, Outcome.NOT_APPLICABLE, "no prompt offers such a text")
    sure = [one for one in tried if not one.says_it]
    chance = [one for one in tried if one.says_it]
    families = dict.fromkeys(one.trick.family for one in tried)
    shares = {family: _share(sure, family) for family in families}
    lucky = {family: _share(chance, family) for family in families}
    limits = limits_of(bench, name)
    judges = stakes.reads is Reads.PROMPT
    if judges and "set by the user" not in limits.source:
        limits = MODEL
    outcome, caught, figure = Outcome.PASS, list[str](), share(0, len(sure))
    for family in families:
        found = _by_text(sure, family) if judges else [shares[family]]
        worst = max((one for one in found if one is not None), key=lambda one: one.value, default=None)
        if worst is None or worst.value <= (limits.warn or 0.0):
            continue
        caught.append(family)
        if worst.value > figure.value:
            outcome, figure = judged(limits, worst), worst
    for family, estimate in lucky.items():
        if estimate is not None and (estimate.low or 0.0) > _MOSTLY and outcome is not Outcome.FAIL:
            outcome, caught, figure = Outcome.FAIL, [family], estimate
    above = [one for one in sure if one.above]
    if outcome is Outcome.PASS and len(above) > (limits.fail or 0.0) * len(sure) and len(above) > 1:
        outcome = Outcome.WARN
    if outcome is Outcome.PASS and stakes.reads is Reads.NOTHING and bench.top - bench.bottom <= TIE:
        return Check(name, Outcome.NOT_APPLICABLE, "every sample earns the same, and so do these texts")
    fewest = FEWEST_OF_FORM if stakes.reads is Reads.NOTHING else FEWEST_TEXTS
    if outcome is Outcome.PASS and len(tried) < fewest:
        prompts = len({one.sample.group for one in tried})
        needed = -(-fewest * prompts // len(tried))
        message = f"none of {len(tried)} texts earns, which are too few; {needed} prompts are needed"
        return Check(
            name, Outcome.NOT_JUDGED, message, figure=share(0, len(sure)), count=len(tried), limits=limits
        )
    counted = [one for one in tried if one.trick.family in caught] if caught else above
    return Check(
        name,
        outcome,
        _message(bench, caught, figure, above, len(sure)),
        figure=figure,
        unit="share of texts that earn",
        count=len(tried),
        limits=limits,
        worst=_worst(counted),
        parts={one: estimate.value for one, estimate in shares.items() if estimate is not None},
        advice=advice if outcome in {Outcome.FAIL, Outcome.WARN} else "",
    )


def _share(tried: Sequence[Tried], family: str) -> Estimate | None:
    flags = [one.hit for one in tried if one.trick.family == family]
    return share(sum(flags), len(flags)) if flags else None


def _by_text(tried: Sequence[Tried], family: str) -> list[Estimate | None]:
    """Of each text of a family its own share: a model that likes one of five is caught by that one."""
    of_family = [one for one in tried if one.trick.family == family]
    words = dict.fromkeys(one.trick.words for one in of_family)
    flags = [[one.hit for one in of_family if one.trick.words == text] for text in words]
    return [share(sum(found), len(found)) for found in flags if found]


def _message(
    bench: Bench, caught: Sequence[str], figure: Estimate, above: Sequence[Tried], total: int
) -> str:
    than = "a wrong answer"
    if stakes_of(bench).reads is not Reads.REFERENCE:
        than = (
            "the prompt's median wrong sample"
            if stakes_of(bench).wrong_samples
            else "the prompt's median sample"
        )
    if caught:
        return f"{listed(caught)}: up to {figure.value:.1%} of the texts earn more than {than} does"
    if above:
        words = above[0].trick.words
        return f"{len(above)} of {total} texts without an answer earn more than {than}, {words} among them"
    if stakes_of(bench).reads is Reads.PROMPT:
        return f"no text earns more than {than} after more than {MODEL.warn:.0%} of the prompts"
    return f"none of {total} texts earns more than {than}, so at most {figure.high or 1.0:.1%} do"


def _worst(tried: Sequence[Tried]) -> tuple[Example, ...]:
    """Those that earned most above the bar, one of every text first."""

    def gain(one: Tried) -> float:
        return one.score.number - one.bar

    ranked = sorted((one for one in tried if one.hit or one.above), key=gain, reverse=True)
    chosen = each_kind_first(ranked, lambda one: one.trick.words)
    return tuple(
        Example(
            change=one.trick.words,
            before=one.bar,
            after=one.score.value,
            completion=shortened(one.sample.completion),
            prompt=one.sample.prompt[-SHOWN:],
        )
        for one in chosen[:_MOST_EXAMPLES]
    )
