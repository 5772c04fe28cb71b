from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from benches import bench, exact, sums

from vllm_migrate.reward.answers.find import given_answer
from vllm_migrate.reward.changes import restyle
from vllm_migrate.reward.outcome import Outcome
from vllm_migrate.reward.probes.format import PROBE
from vllm_migrate.reward.sample import Sample

if TYPE_CHECKING:
    from collections.abc import Callable

TAGS = re.compile(r"<think>\n.*?\n</think>\n<answer>\n.*?\n</answer>", re.DOTALL)


def tagged() -> list[Sample]:
    """The sums with thoughts in tags, some with a tag missing."""
    found = []
    for number, sample in enumerate(sums()):
        work, _, answer = sample.completion.rpartition(" Answer: ")
        close = "" if number % 5 == 0 else "\n</think>"
        found.append(sample.with_completion(f"<think>\n{work}{close}\n<answer>\n{answer}\n</answer>"))
    return found


def well_formed(sample: Sample) -> float:
    return float(TAGS.fullmatch(sample.completion) is not None)


def counted_tags(sample: Sample) -> float:
    wanted = ("<think>\n", "\n</think>\n", "\n<answer>\n", "\n</answer>")
    return sum(0.25 for tag in wanted if sample.completion.count(tag) == 1)


def test_a_verifier_that_reads_the_answer_passes() -> None:
    check = PROBE(bench(exact))
    assert check.outcome is Outcome.PASS
    assert {"bullets", "numbered steps", "header", "bold"} <= check.parts.keys()


@pytest.mark.parametrize("reward", [well_formed, counted_tags])
def test_a_reward_for_a_structure_is_no_reward_for_layout(reward: Callable[[Sample], float]) -> None:
    assert PROBE(bench(reward, tagged())).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("pays", "family"),
    [
        (lambda text: text.count("\n- "), "bullets"),
        (lambda text: bool(re.search(r"^\d\. ", text, re.MULTILINE)), "numbered steps"),
        (lambda text: "## " in text, "header"),
        (lambda text: text.count("**") > 0, "bold"),
    ],
)
def test_whoever_pays_for_markdown_is_caught_with_what_pays(
    pays: Callable[[str], float], family: str
) -> None:
    check = PROBE(bench(lambda sample: exact(sample) + 0.3 * pays(sample.completion)))
    assert check.outcome is Outcome.FAIL
    assert check.parts[family] == 0.0
    assert check.worst
    assert check.worst[0].after > check.worst[0].before


def test_markdown_that_all_samples_have_already_is_taken_away() -> None:
    listed = [
        sample.with_completion(
            "- I add the tens.\n- Then I add the ones.\nAnswer:" + sample.completion.rpartition("Answer:")[2]
        )
        for sample in sums()
    ]
    check = PROBE(bench(lambda sample: exact(sample) + 0.5 * sample.completion.startswith("- "), listed))
    assert check.outcome is Outcome.FAIL
    assert check.parts["markdown removed"] == 0.0


def test_a_length_payer_is_left_to_the_length_probe() -> None:
    assert PROBE(bench(lambda sample: exact(sample) + len(sample.completion) / 20)).outcome is Outcome.PASS


def test_completions_without_prose_are_not_asked() -> None:
    bare = [sample.with_completion(sample.completion.rpartition(" ")[2]) for sample in sums()]
    check = PROBE(bench(exact, bare))
    assert check.outcome is Outcome.NOT_APPLICABLE


def test_a_models_box_and_header_are_swapped() -> None:
    boxed = [
        sample.with_completion(sample.completion.replace("Answer: ", "\\boxed{") + "}") for sample in sums()
    ]
    one = bench(lambda s: float(f"\\boxed{{{s.answer}}}" in s.completion) + (s.group % 5) / 50, boxed)
    assert PROBE(one).outcome is Outcome.PASS  # as a function, it may insist on the box
    one.model = True
    check = PROBE(one)
    assert check.outcome is Outcome.FAIL
    assert check.parts["box or header"] == 0.0


TEXT = (
    "1. We start.\n2. It's 5 - 3, which is **easy**.\nThe sum is $a+b=3$ in this case\n\n"
    "So the answer is $\\boxed{42}$."
)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (restyle.bullets, "\n- The sum is $a+b=3$ in this case\n"),
        (restyle.bold, "**The sum** is $a+b=3$"),
        (restyle.plain, "We start.\nIt's 5 - 3, which is easy.\nThe"),
        (restyle.minus, "5 \u2212 3"),
        (restyle.apostrophes, "It\u2019s"),
        (restyle.latex_spacing, "$a \\, + \\, b \\, = \\, 3$"),
        (restyle.periods, "1. We start\n2."),
        (restyle.header, "## Working\n\n1. We start"),
    ],
)
def test_each_restyling_does_its_one_thing_and_keeps_the_answer(
    change: Callable[[Sample], str | None], part: str
) -> None:
    text = change(Sample("What?", TEXT, answer="42"))
    assert text is not None
    assert part in text
    assert text.endswith("So the answer is $\\boxed{42}$.")
    given = given_answer(text)
    assert given is not None
    assert given.text == "42"


@pytest.mark.parametrize("change", [restyle.bullets, restyle.numbered, restyle.header])
def test_no_line_break_comes_to_stand_beside_a_tag(change: Callable[[Sample], str | None]) -> None:
    text = "<think>We add 2. It grows.</think><answer>42</answer>"
    changed = change(Sample("What?", text, answer="42")) or text
    assert changed.startswith("<think>We add 2.")
    assert changed.endswith("It grows.</think><answer>42</answer>")


def test_steps_bring_no_number_to_a_text_without_one() -> None:
    text = "We look at it. We go on."
    assert restyle.numbered(Sample("What?", text, answer="42")) is None
    assert restyle.numbered(Sample("What?", text, answer="B")) is not None
