"""What a reward's shift consists of, in words: a row a term, for every format. Plain text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vllm_migrate.report.numbers import count, interval, number, percent
from vllm_migrate.statistics.verdict import Verdict

if TYPE_CHECKING:
    from vllm_migrate.audit.sections import RewardSplit, RewardTerm

ABOUT = {
    "truncation": "cut off",
    "correctness": "right",
    "length": "mean length",
    "scorer": "another score for the same text",
    "rest": "equally right, long and complete",
}
_STYLE = {
    Verdict.PASS: "No preference for the candidate's style",
    Verdict.FAIL: "A preference about the candidate's style",
    Verdict.INCONCLUSIVE: "A preference about the candidate's style can't be excluded",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One term.

    Attributes:
        figure: with its sign; `bounds` its interval, "" where there is none.
        about: what moved, from which value to which, or why nothing is known of it.
    """

    name: str
    figure: str
    bounds: str
    about: str


def split_rows(split: RewardSplit) -> list[Row]:
    """The terms in their order, then their sum."""
    return [
        *(Row(term.name, *_figure(term), _about(term)) for term in split.terms),
        Row("together", signed(split.total.value), interval(split.total.low, split.total.high), ""),
    ]


def main_term(split: RewardSplit) -> RewardTerm | None:
    """The largest term whose interval excludes 0; None where there is none."""
    shown = [term for term in split.terms if _excludes_zero(term)]
    return max(shown, key=lambda term: abs(term.estimate.value), default=None)


def split_sentence(split: RewardSplit) -> str:
    """What is said above the table."""
    main = main_term(split)
    said = (
        f"Between the free runs the reward differs by {signed(split.total.value)} over "
        f"{count(split.prompts)} prompts and {count(split.completions)} completions; "
    )
    if main is None:
        return said + "no part of it is beyond chance."
    return said + f"the largest part that is beyond chance is {main.name} ({signed(main.estimate.value)})."


def style_sentence(split: RewardSplit) -> str:
    """Whether the reward prefers one side's completions at equal correctness, truncation and length."""
    bounds = interval(split.style.low, split.style.high)
    return (
        f"{_STYLE[split.style_verdict]}: at equal correctness, truncation and length its completions earn "
        f"{signed(split.style.value)} {bounds} standard deviations more (margin {split.style_margin:g})."
    )


def signed(value: float) -> str:
    """With its sign; 0 has none."""
    return number(value) if value <= 0 else f"+{number(value)}"


def _excludes_zero(term: RewardTerm) -> bool:
    low, high = term.estimate.low, term.estimate.high
    return low is not None and high is not None and (low > 0 or high < 0)


def _figure(term: RewardTerm) -> tuple[str, str]:
    value = term.estimate
    return signed(value.value), interval(value.low, value.high)


def _about(term: RewardTerm) -> str:
    if term.note:
        return term.note
    words = ABOUT.get(term.name, "")
    if term.reference is None or term.candidate is None:
        return words
    write = percent if term.unit == "share" else number
    unit = "" if term.unit == "share" else f" {term.unit}"
    return f"{words}: {write(term.reference)} to {write(term.candidate)}{unit}"
