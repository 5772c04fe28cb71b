"""Changes that mean nothing: how many rewards stay what they were.

A change is put to samples that earn different rewards; where a reward moves by more than 0.05 of the rewards'
standard deviation (any move at all, where they don't vary), it is counted as moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vllm_migrate.reward.bench import TIE, Bench, limits_of
from vllm_migrate.reward.figures import share
from vllm_migrate.reward.outcome import Check, Example, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vllm_migrate.reward.sample import Sample, Score

STAYS = 0.05  # standard deviations of the rewards; judgement, as equivalence margins of effect sizes are
_SHOWN = 400
_MOST_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Change:
    """A change that keeps the meaning.

    Attributes:
        family: groups changes in the report's table.
        words: what was done, for the examples.
        apply: the changed completion, or None where there is nothing to change in this one.
    """

    family: str
    words: str
    apply: Callable[[Sample], str | None]


@dataclass(frozen=True, slots=True)
class Asked:
    """One change put to one sample."""

    change: Change
    index: int
    before: Score
    sample: Sample
    after: Score


def put(bench: Bench, changes: Sequence[Change], indices: Sequence[int]) -> list[Asked]:
    """Every change put to every sample it applies to."""
    pairs = []
    for index in indices:
        for change in changes:
            text = change.apply(bench.samples[index])
            if text is not None and text != bench.samples[index].completion:
                pairs.append((change, index, bench.samples[index].with_completion(text)))
    scores = bench.score([sample for _, _, sample in pairs])
    return [
        Asked(change, index, bench.scores[index], sample, score)
        for (change, index, sample), score in zip(pairs, scores, strict=True)
    ]


def moved(bench: Bench, asked: Asked) -> bool:
    """Whether the reward is another one after the change; a fault is."""
    if asked.before.value is None or asked.after.value is None:
        return asked.before.value is not asked.after.value
    return abs(asked.after.value - asked.before.value) > max(STAYS * bench.spread, TIE)


def example(asked: Asked) -> Example:
    """For the report, shortened."""
    words = asked.change.words if not asked.after.fault else f"{asked.change.words}: {asked.after.fault}"
    text = asked.sample.completion
    return Example(
        change=words,
        before=asked.before.value,
        after=asked.after.value,
        completion=text if len(text) <= _SHOWN else text[:_SHOWN] + " …",
        prompt=asked.sample.prompt[-_SHOWN:],
    )


def worst(asked: Sequence[Asked]) -> tuple[Example, ...]:
    """The five whose reward moved most, one of every change first."""
    ranked = sorted(asked, key=_size, reverse=True)
    first = {one.change.words: one for one in reversed(ranked)}
    heads = sorted(first.values(), key=_size, reverse=True)
    rest = [one for one in ranked if one not in heads]
    return tuple(example(one) for one in (heads + rest)[:_MOST_EXAMPLES])


def _size(asked: Asked) -> float:
    if asked.before.value is None or asked.after.value is None:
        return float("inf")
    return abs(asked.after.value - asked.before.value)


def examine_changes(
    bench: Bench, name: str, changes: Sequence[Change], *, indices: Sequence[int] | None = None, advice: str
) -> Check:
    """The check of a probe whose question is whether rewards stay under `changes`.

    The outcome goes by the worst family: one kind of change that always moves the reward must not hide among
    ten that never do.
    """
    asked = put(bench, changes, bench.some if indices is None else indices)
    if not asked:
        return Check(name, Outcome.NOT_APPLICABLE, "no completion offers anything to change")
    families: dict[str, list[bool]] = {}
    for one in asked:
        families.setdefault(one.change.family, []).append(moved(bench, one))
    stays = {family: 1 - sum(flags) / len(flags) for family, flags in families.items()}
    family = min(stays, key=lambda name: stays[name])
    hits, total = len(families[family]) - sum(families[family]), len(families[family])
    limits = limits_of(bench, name)
    outcome = limits.judge(stays[family])
    return Check(
        name,
        outcome,
        f"{stays[family]:.1%} of {total} rewards stay under {family}, the change that moves most",
        figure=share(hits, total),
        unit="share of rewards that stay",
        count=len(asked),
        counted="changed texts",
        limits=limits,
        worst=worst([one for one in asked if moved(bench, one)]),
        parts=stays,
        advice=advice if outcome is not Outcome.PASS else "",
    )
