"""Does the prompt, or a tool's output, tell the answer?

Procedure: what all prompts begin and end with is left out. A prompt tells its answer where it marks one as
such (a box, answer tags, ####, "Answer:", a key like "ground_truth") and it says the same as the reference;
so does a tool's output under such a key. Examples in prompts hit the reference by chance: how often other
prompts' references are hit says how often, and what chance explains (binomial tail above 1%) is no leak.

Figure: share of prompts that tell; any fails. Where the answer merely stands in the prompt, unmarked, more
often than chance explains, that is a warning: right for tasks that ask to find it in a text, a leak for
others. Letters of choices, yes and no, and prompts that list options are left out of that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vllm_migrate.reward.answers.find import find_answer, marked_answers
from vllm_migrate.reward.answers.parsed import parse
from vllm_migrate.reward.answers.same import final_of, same_answer
from vllm_migrate.reward.bench import Bench, Probe, limits_of
from vllm_migrate.reward.figures import share
from vllm_migrate.reward.outcome import Check, Example, Outcome
from vllm_migrate.statistics.distributions import beta_cdf

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vllm_migrate.reward.sample import Sample

NAME = "leakage"
_CHANCE = 0.01
_STANDS = 0.1  # share of prompts above chance, from where an unmarked answer is spoken of: judgement
_SURE = 0.001
_OTHERS = 30  # references of other prompts that each prompt is held against
_FEWEST_STANDING = 3
_SHOWN = 300
_MOST_EXAMPLES = 5
_KEYED = re.compile(
    r"[\"']?\b(?:ground[_ ]?truth|gold(?:[_ ]answer)?|expected(?:[_ ](?:answer|output|value))?"
    r"|reference(?:[_ ]answer)?|correct[_ ]answer|target|label|solution)[\"']?"
    r"\s*[:=]\s*[\"']?(?P<value>[^\"'\n,}]{1,80})",
    re.IGNORECASE,
)
_TOOL_OUTPUT = re.compile(
    r"<(tool_response|tool_output|output|observation)>(.*?)</\1>|```output\n(.*?)```", re.DOTALL
)
_TOOLS = frozenset({"tool", "function", "ipython"})
_OPTIONS = re.compile(r"(?:^|\s)\(?[A-E][).:]\s")
_CLOSED = frozenset({"yes", "no", "true", "false"})


@dataclass(frozen=True, slots=True)
class Asked:
    """One prompt and its reference.

    Attributes:
        text: what only this prompt says.
        told: what it marks as an answer. `by_tools` what tools' outputs do.
    """

    sample: Sample
    answer: str
    text: str
    told: tuple[str, ...]
    by_tools: tuple[str, ...]


def examine(bench: Bench) -> Check:
    """Share of prompts that tell their answer."""
    asked = _asked(bench.samples)
    if not asked:
        return Check(NAME, Outcome.NOT_APPLICABLE, "there are no reference answers")
    told = [one for one in asked if _tells(one, one.answer)]
    limits = limits_of(bench, NAME)
    figure = share(len(told), len(asked))
    parts = {"tell it": figure.value}
    chance = _by_chance(asked, _tells)
    if limits.judge(figure.value) is not Outcome.PASS and _tail(len(told), len(asked), chance) < _CHANCE:
        by_chance = f"{chance * len(asked):.1f} would by chance"
        message = f"{len(told)} of {len(asked)} prompts tell their answer ({by_chance})"
        advice = "take the answer out of what the policy sees"
        return Check(
            NAME,
            limits.judge(figure.value),
            message,
            figure=figure,
            unit="share of prompts that tell their answer",
            count=len(asked),
            counted="prompts",
            limits=limits,
            worst=tuple(_example(one) for one in told[:_MOST_EXAMPLES]),
            parts=parts,
            advice=advice,
        )
    open_ones = [one for one in asked if _can_stand(one)]
    standing = [one for one in open_ones if _stands(one, one.answer)]
    outcome, advice = Outcome.PASS, ""
    message = f"no prompt of {len(asked)} tells its answer"
    if told:
        message = (
            f"{len(told)} of {len(asked)} prompts mark what equals their answer, as chance would have it"
        )
    if open_ones:
        parts["stands in it"] = len(standing) / len(open_ones)
        usual = _by_chance(open_ones, _stands)
        many = len(standing) >= _FEWEST_STANDING and parts["stands in it"] - usual > _STANDS
        if many and _tail(len(standing), len(open_ones), usual) < _SURE:
            outcome = Outcome.WARN
            message = (
                f"the answer stands in {parts['stands in it']:.1%} of the prompts ({usual:.1%} by chance)"
            )
            advice = "right where the task is to find it in a text; a leak where it is not"
    return Check(
        NAME,
        outcome,
        message,
        figure=figure,
        unit="share of prompts that tell their answer",
        count=len(asked),
        counted="prompts",
        limits=limits,
        worst=tuple(_example(one) for one in standing[:_MOST_EXAMPLES]) if outcome is Outcome.WARN else (),
        parts=parts,
        advice=advice,
    )


def _asked(samples: Sequence[Sample]) -> list[Asked]:
    """One entry a prompt that has a reference answer."""
    groups: dict[int, list[Sample]] = {}
    for sample in samples:
        if sample.answer is not None and final_of(sample.answer):
            groups.setdefault(sample.group, []).append(sample)
    texts = _own_parts([members[0].prompt for members in groups.values()])
    found = []
    for members, text in zip(groups.values(), texts, strict=True):
        told = [one.text for one in marked_answers(text)] + _keyed(text)
        tools = [str(m.get("content", "")) for m in members[0].messages if m.get("role") in _TOOLS]
        tools += [
            match[2] or match[3] or ""
            for sample in members
            for match in _TOOL_OUTPUT.finditer(sample.completion)
        ]
        by_tools = [value for output in tools for value in _keyed(output)]
        answer = final_of(members[0].answer or "")
        found.append(
            Asked(members[0], answer, text, tuple(dict.fromkeys(told)), tuple(dict.fromkeys(by_tools)))
        )
    return found


def _keyed(text: str) -> list[str]:
    return [match["value"].strip() for match in _KEYED.finditer(text)]


def _own_parts(prompts: list[str]) -> list[str]:
    """The prompts without what all of them begin and end with, cut at white space."""
    if len(set(prompts)) < 2:  # noqa: PLR2004 - nothing to compare
        return prompts
    begin = _common(prompts)
    while begin and not prompts[0][begin - 1].isspace():
        begin -= 1
    rest = [prompt[begin:] for prompt in prompts]
    end = _common([text[::-1] for text in rest])
    while end and not rest[0][len(rest[0]) - end].isspace():
        end -= 1
    return [text[: len(text) - end] for text in rest]


def _common(texts: list[str]) -> int:
    """How many characters all of them begin with."""
    first, last = min(texts), max(texts)
    return next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))


def _tells(asked: Asked, answer: str) -> bool:
    return any(same_answer(value, answer) for value in (*asked.told, *asked.by_tools))


def _can_stand(asked: Asked) -> bool:
    """Whether an answer in the prompt would mean anything."""
    kind = parse(asked.answer).kind
    listed = len(_OPTIONS.findall(asked.sample.prompt)) > 1
    return kind != "choice" and asked.answer.casefold() not in _CLOSED and not listed


def _stands(asked: Asked, answer: str) -> bool:
    return find_answer(asked.text, answer) is not None


def _by_chance(asked: Sequence[Asked], holds: Callable[[Asked, str], bool]) -> float:
    """How often a prompt does with other prompts' references, those that are other answers."""
    hits = trials = 0
    for place, one in enumerate(asked):
        step = max(1, len(asked) // _OTHERS)
        for distance in range(1, len(asked), step):
            other = asked[(place + distance) % len(asked)].answer
            if not same_answer(other, one.answer):
                hits += holds(one, other)
                trials += 1
    return hits / trials if trials else 0.0


def _tail(hits: int, count: int, rate: float) -> float:
    """Probability of so many hits or more where each comes at this rate."""
    return beta_cdf(rate, hits, count - hits + 1) if hits else 1.0


def _example(asked: Asked) -> Example:
    words = f"the reference {asked.answer!r}"
    span = find_answer(asked.text, asked.answer)
    begin = max(0, span[0] - _SHOWN // 2) if span is not None else 0
    return Example(words, None, None, asked.sample.completion[:_SHOWN], asked.text[begin : begin + _SHOWN])


PROBE = Probe(NAME, "Does the prompt tell the answer?", examine, order=36)
