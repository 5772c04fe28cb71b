from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from benches import bench, exact, sums

from vllm_migrate.reward.changes import spacing
from vllm_migrate.reward.outcome import Outcome
from vllm_migrate.reward.probes.whitespace import PROBE
from vllm_migrate.reward.sample import Sample

if TYPE_CHECKING:
    from collections.abc import Callable


def on_lines() -> list[Sample]:
    return [sample.with_completion(sample.completion.replace(". ", ".\n")) for sample in sums()]


def test_a_reward_that_strips_what_it_compares_stays() -> None:
    check = PROBE(bench(exact))
    assert check.outcome is Outcome.PASS
    assert check.parts["line breaks"] == 1.0
    assert check.parts["tabs"] == 1.0
    assert {"indented", "blank lines", "Windows line ends"} <= PROBE(bench(exact, on_lines())).parts.keys()


def test_a_reward_that_compares_to_the_byte_is_caught_and_the_worst_change_is_named() -> None:
    check = PROBE(bench(lambda sample: float(sample.completion.endswith(f"Answer: {sample.answer}"))))
    assert check.outcome is Outcome.FAIL
    assert check.parts["space in front"] == 1.0
    assert check.parts["blank lines at the end"] < 0.5
    assert "at the end" in check.worst[0].change


@pytest.mark.parametrize(
    ("refuses", "family"), [("\r", "Windows line ends"), ("\n\n", "blank lines"), ("\n  ", "indented")]
)
def test_a_reward_that_trips_over_white_space_inside_is_caught(refuses: str, family: str) -> None:
    check = PROBE(bench(lambda sample: exact(sample) * (refuses not in sample.completion), on_lines()))
    assert check.outcome is Outcome.FAIL
    assert check.parts[family] == 0.0


def test_a_fault_is_a_move() -> None:
    def raises_on_blank_lines(sample: Sample) -> float:
        if "\n\n" in sample.completion:
            raise ValueError("two paragraphs")
        return exact(sample)

    check = PROBE(bench(raises_on_blank_lines))
    assert check.outcome is Outcome.FAIL
    assert "raised ValueError: two paragraphs" in check.worst[0].change


def test_a_reward_for_a_form_may_say_what_stands_at_its_edges() -> None:
    form = re.compile(r"<think>\n.*?\n</think>\n<answer>\n.*?\n</answer>", re.DOTALL)
    tagged = []
    for number, sample in enumerate(sums()):
        work, _, answer = sample.completion.replace(". ", ".\n").rpartition("\nAnswer: ")
        close = "" if number % 4 == 0 else "\n</think>"
        tagged.append(sample.with_completion(f"<think>\n{work}{close}\n<answer>\n{answer}\n</answer>"))
    check = PROBE(bench(lambda sample: float(form.fullmatch(sample.completion) is not None), tagged))
    assert check.outcome is Outcome.PASS
    both = PROBE(
        bench(
            lambda s: float(bool(form.fullmatch(s.completion)) and f"<answer>\n{s.answer}\n" in s.completion),
            tagged,
        )
    )
    assert both.outcome is Outcome.PASS
    line = re.compile(r"I add .*\.\nAnswer: \d+", re.DOTALL)
    assert (
        PROBE(bench(lambda s: float(bool(line.fullmatch(s.completion))), on_lines())).outcome is Outcome.PASS
    )


TEXT = "## Work\nWe add them. It grows.\nThat is it.\n<b>\nBold words here.\n</b>\nAnswer: 42"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (spacing.line_breaks, TEXT.replace("them. It", "them.\nIt")),
        (spacing.tabs, TEXT.replace("them. It", "them.\tIt")),
        (spacing.wide, TEXT.replace("them. It", "them.  It")),
        (spacing.carriage_returns, TEXT.replace("grows.\n", "grows.\r\n")),
        (spacing.blank_lines, TEXT.replace("grows.\n", "grows.\n\n")),
        (spacing.indented, TEXT.replace("We", "  We").replace("That", "  That").replace("Bold", "  Bold")),
    ],
)
def test_white_space_beside_tags_and_the_answer_stays(
    change: Callable[[Sample], str | None], expected: str
) -> None:
    assert change(Sample("What?", TEXT, answer="42")) == expected
