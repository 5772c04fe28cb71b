"""Changed texts with what they earned before and after, counted by family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from vllm_migrate.reward.figures import share
from vllm_migrate.reward.outcome import Example

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from vllm_migrate.reward.sample import Sample
    from vllm_migrate.statistics.verdict import Estimate

T = TypeVar("T")

SHOWN = 300
_MOST_EXAMPLES = 5
_LISTED = 3


@dataclass(frozen=True, slots=True)
class Case:
    """One changed text.

    Attributes:
        family: groups cases in the report's table.
        words: what was done, for the examples.
        sample: with the changed completion.
        before, after: rewards, None where there was none.
        counts: whether it is one of those that are counted: accepted where it should not be, for example.
    """

    family: str
    words: str
    sample: Sample
    before: float | None
    after: float | None
    counts: bool


def shares(cases: Sequence[Case]) -> dict[str, Estimate]:
    """Of each family, the share of cases that count, with its exact interval."""
    flags: dict[str, list[bool]] = {}
    for case in cases:
        flags.setdefault(case.family, []).append(case.counts)
    return {family: share(sum(found), len(found)) for family, found in flags.items()}


def sizes(cases: Sequence[Case]) -> dict[str, int]:
    """How many cases each family has."""
    found: dict[str, int] = {}
    for case in cases:
        found[case.family] = found.get(case.family, 0) + 1
    return found


def examples(cases: Sequence[Case]) -> tuple[Example, ...]:
    """Five of the cases, one of every family first."""
    chosen = each_kind_first(cases, lambda case: case.family)
    return tuple(
        Example(
            case.words,
            case.before,
            case.after,
            shortened(case.sample.completion),
            case.sample.prompt[-SHOWN:],
        )
        for case in chosen[:_MOST_EXAMPLES]
    )


def each_kind_first(ranked: Iterable[T], kind: Callable[[T], Hashable]) -> list[T]:
    """All of them in their order, but the first of every kind before all others."""
    first: list[T] = []
    rest: list[T] = []
    seen: set[Hashable] = set()
    for one in ranked:
        (rest if kind(one) in seen else first).append(one)
        seen.add(kind(one))
    return first + rest


def shortened(text: str) -> str:
    """A text's begin and end."""
    return text if len(text) <= SHOWN else f"{text[: SHOWN // 2]} … {text[-SHOWN // 2 :]}"


def ending(text: str) -> str:
    """A text's end, where an answer stands."""
    return text if len(text) <= SHOWN else f"… {text[-SHOWN:]}"


def listed(words: Sequence[str]) -> str:
    """The first three, and how many more there are."""
    first = ", ".join(words[:_LISTED])
    return first if len(words) <= _LISTED else f"{first} and {len(words) - _LISTED} more"
