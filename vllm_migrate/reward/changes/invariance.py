"""Changes that mean nothing: how many rewards stay what they were.

A change is put to samples that earn different rewards. A function's reward has moved where it is another
one by more than 0.05 of the rewards' standard deviation (any other one, where they don't vary). Where it
moves just as far for a text that differs from the first one in nothing but its length, it is the length that
moved it, and that is another probe's question. Those that earn much and those that earn little are counted
apart: a reward that says 0 to half of the texts can't say less.

A model's reward moves with every word. What counts there is order: of two completions of a prompt that are
half a standard deviation apart or more, does the better one still earn more when one of them is changed?
Pairs whose better one and pairs whose worse one is changed are counted apart (the latter is what RM-Bench,
arXiv 2410.16184, calls hard).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.reward.bench import Bench, limits_of
from vllm_migrate.reward.changes.twins import length_twin
from vllm_migrate.reward.figures import clustered_mean, judged, share
from vllm_migrate.reward.outcome import Check, Example, Outcome
from vllm_migrate.reward.penalty import is_penalty
from vllm_migrate.reward.sample import TIE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vllm_migrate.reward.sample import Sample, Score
    from vllm_migrate.statistics.verdict import Estimate

STAYS = 0.05  # standard deviations of the rewards; judgement, as equivalence margins of effect sizes are
_SHOWN = 400
_MOST_EXAMPLES = 5
_SAME_MOVE = 0.25  # of a move: what a text of the same length may leave unexplained of it
_APART = 0.5  # standard deviations between two completions whose order a model should keep; judgement
_FEWEST_APART = 3  # texts that earn much, or little, for a share of their own
_MUCH, _LITTLE = "texts that earn much", "texts that earn little"


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


def drawn(bench: Bench) -> list[int]:
    """Indices to put changes to: at most `most`, as far as there are any half of them at the top."""
    below = [index for index, value in enumerate(bench.values) if value < bench.top - TIE]
    half = bench.most // 2
    top = _evenly(bench.right, max(half, bench.most - len(below)))
    turns = bench.in_turn(below)
    prompts = len({bench.samples[index].group for index in below})
    first, rest = turns[:prompts], turns[prompts:]
    left = bench.most - len(top)
    lower = _evenly(first, left) if len(first) >= left else [*first, *_evenly(rest, left - len(first))]
    return sorted([*top, *lower])


def _evenly(indices: Sequence[int], most: int) -> list[int]:
    """At most `most` of them, spread evenly."""
    count = min(len(indices), most)
    return [indices[place * len(indices) // count] for place in range(count)]


def put(bench: Bench, changes: Sequence[Change], indices: Sequence[int]) -> list[Asked]:
    """Every change put to every sample it applies to."""
    pairs = []
    for index in indices:
        for change in changes:
            text = change.apply(bench.samples[index])
            if text is not None and text != bench.samples[index].completion:
                pairs.append((change, index, bench.samples[index].with_completion(text)))
    before = unchanged(bench, [index for _, index, _ in pairs])
    scores = bench.score([sample for _, _, sample in pairs])
    return [
        Asked(change, index, before[index], sample, score)
        for (change, index, sample), score in zip(pairs, scores, strict=True)
    ]


def unchanged(bench: Bench, indices: Sequence[int]) -> dict[int, Score]:
    """Scores of samples as they are, by index, asked again without token ids where they have some.

    Changed texts have none, and a reward that counts tokens must not be said to have moved for that.
    """
    found = {index: bench.scores[index] for index in indices}
    with_ids = [index for index in found if bench.samples[index].token_ids]
    again = [bench.samples[index].with_completion(bench.samples[index].completion) for index in with_ids]
    return found | dict(zip(with_ids, bench.score(again), strict=True))


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


def by_length(bench: Bench, asked: Sequence[Asked]) -> set[int]:
    """Places in `asked` of those whose move a text of the same length makes as well."""
    twins = []
    for place, one in enumerate(asked):
        if one.before.value is None or one.after.value is None:
            continue
        twin = length_twin(bench.samples[one.index], one.sample.completion)
        if twin is not None:
            twins.append((place, bench.samples[one.index].with_completion(twin)))
    found = set()
    for (place, _), score in zip(twins, bench.score([sample for _, sample in twins]), strict=True):
        before, after = asked[place].before.number, asked[place].after.number
        bound = max(STAYS * bench.spread, TIE, _SAME_MOVE * abs(after - before))
        if score.value is not None and abs(score.value - after) <= bound:
            found.add(place)
    return found


def examine_changes(bench: Bench, name: str, changes: Sequence[Change], *, advice: str) -> Check:
    """The check of a probe whose question is whether rewards stay under `changes`.

    The outcome goes by the worst family: one kind of change that always moves the reward must not hide among
    ten that never do. It fails where the figure's whole interval is beyond the limit.
    """
    asked = put(bench, changes, drawn(bench))
    if not asked:
        return Check(name, Outcome.NOT_APPLICABLE, "no completion offers anything to change")
    return _of_model(bench, name, asked, advice) if bench.model else _of_function(bench, name, asked, advice)


def unless_penalty(bench: Bench, check: Check) -> Check:
    """The check; not applicable where a penalty has moved: words and their number are what it is about.

    A penalty for repetition sees less of it among new words and markers.
    """
    if check.outcome not in {Outcome.WARN, Outcome.FAIL} or not is_penalty(bench):
        return check
    message = f"a penalty, which is about the text itself; {check.message}"
    return replace(check, outcome=Outcome.NOT_APPLICABLE, message=message, worst=(), advice="")


def _of_function(bench: Bench, name: str, asked: Sequence[Asked], advice: str) -> Check:
    """Share of rewards that stay."""
    flags = [moved(bench, one) for one in asked]
    candidates = [one for one, flag in zip(asked, flags, strict=True) if flag]
    explained = {id(candidates[place]) for place in by_length(bench, candidates)}
    moves = [one for one in candidates if id(one) not in explained]
    gone = {id(one) for one in moves}
    middle = (bench.top + bench.bottom) / 2
    families: dict[str, tuple[str, int, int]] = {}
    for family in dict.fromkeys(one.change.family for one in asked):
        members = [one for one in asked if one.change.family == family]
        parts = [
            (words, [one for one in members if (one.before.number > middle) is much])
            for words, much in ((_MUCH, True), (_LITTLE, False))
        ]
        counted = [
            (words, sum(id(one) not in gone for one in part), len(part))
            for words, part in [("rewards", members), *parts]
            if words == "rewards" or len(part) >= _FEWEST_APART
        ]
        families[family] = min(counted, key=lambda row: row[1] / row[2])
    stays = {family: hits / total for family, (_, hits, total) in families.items()}
    family = min(stays, key=lambda name: stays[name])
    words, hits, total = families[family]
    limits = limits_of(bench, name)
    figure = share(hits, total)
    outcome = judged(limits, figure)
    whose = f"{total} rewards" if words == "rewards" else f"the rewards of {total} {words}"
    message = f"{stays[family]:.1%} of {whose} stay under {family}, the change that moves most"
    if not moves:
        message = (
            f"all of {len(asked)} rewards stay" if not explained else "what moves goes by the length alone"
        )
    return Check(
        name,
        outcome,
        message,
        figure=figure,
        unit="share of rewards that stay",
        count=len(asked),
        counted="changed texts",
        limits=limits,
        worst=worst(moves),
        parts=stays,
        advice=advice if outcome is not Outcome.PASS else "",
    )


def _of_model(bench: Bench, name: str, asked: Sequence[Asked], advice: str) -> Check:
    """Share of pairs of one prompt's completions whose order stays."""
    figures: dict[str, Estimate] = {}
    pairs = 0
    for family in dict.fromkeys(one.change.family for one in asked):
        members = [one for one in asked if one.change.family == family]
        found = []
        for above in (True, False):
            rows = [(bench.groups[one.index], keeps_order(bench, one, above=above)) for one in members]
            kept = [(group, value) for group, value in rows if value is not None]
            if kept:
                pairs += len(kept)
                values, groups = (
                    np.array([value for _, value in kept]),
                    np.array([group for group, _ in kept]),
                )
                found.append(clustered_mean(values, groups, seed=bench.seed))
        if found:
            figures[family] = min(found, key=lambda figure: figure.value)
    if not figures:
        return Check(name, Outcome.NOT_APPLICABLE, "no two completions earn rewards that differ enough")
    family = min(figures, key=lambda name: figures[name].value)
    limits = limits_of(bench, name)
    outcome = judged(limits, figures[family])
    value = figures[family].value
    return Check(
        name,
        outcome,
        f"the order of {value:.1%} of pairs stays under {family}, the change that turns most of them",
        figure=figures[family],
        unit="share of pairs whose order stays",
        count=pairs,
        counted="changed texts",
        limits=limits,
        worst=worst([one for one in asked if moved(bench, one)]),
        parts={family: figure.value for family, figure in figures.items()},
        advice=advice if outcome is not Outcome.PASS else "",
    )


def keeps_order(bench: Bench, asked: Asked, *, above: bool) -> float | None:
    """Of the completions that a changed one is compared with, the share it is still on the same side of.

    Compared are the others of its prompt (those of all prompts, where it is the only one) whose rewards are
    half a standard deviation away from its own, or more. None where there are none.

    Args:
        bench: with the others' rewards.
        asked: the changed one.
        above: compare it with those it was above of; else with those it was below of.
    """
    before = asked.before.number
    others = bench.values[bench.groups == bench.groups[asked.index]]
    if len(others) == 1:
        others = bench.values
    distance = (before - others) if above else (others - before)
    others = others[distance > max(_APART * bench.spread, TIE)]
    if not len(others):
        return None
    if asked.after.value is None:
        return 0.0
    return float(np.mean(asked.after.value > others if above else asked.after.value < others))
