from __future__ import annotations

import pytest

from vllm_migrate.reward.changes.prose import prose_of, put_after, put_first, put_last
from vllm_migrate.reward.changes.twins import length_twin
from vllm_migrate.reward.sample import Sample

THOUGHTS = (
    "<think>\nWe know $x=3$. First, we compute 3 + 4 = 7, e.g. by hand.\nThat is enough.\n</think>\n"
    "<answer>\n42\n</answer>"
)


def sentences(text: str, answer: str | None = "42") -> list[str]:
    prose = prose_of(Sample("What?", text, answer=answer))
    return [text[one.begin : one.end] for one in prose.sentences]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I add the tens. Then the ones. Answer: 42", ["I add the tens.", "Then the ones."]),
        (
            THOUGHTS,
            ["We know $x=3$.", "First, we compute 3 + 4 = 7, e.g. by hand.", "That is enough."],
        ),
        ("## Step 1\nWe add them.\n\n**Final Answer**\n\\boxed{42}", ["We add them."]),
        ("Reasoning: I add the tens.\nAnswer: 42", ["I add the tens."]),
        ("Let us think. The sum is 42. So 42 it is.", ["Let us think."]),
        ("B. We look at it. It is right.", ["It is right."]),
        ("We guess it. Answer: 41", ["We guess it."]),
        ('{"answer": 42, "why": "because of this"}', []),
        ('```json\n{"answer": 42, "why": "because it is"}\n```', []),
        ("def f(x):\n    return x + 1\nprint(f(3))", []),
        ("42", []),
        ("", []),
        ("The answer is 42.", []),
    ],
)
def test_prose_is_what_neither_says_nor_frames_the_answer(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_the_last_sentence_may_be_an_answer_that_nobody_can_read() -> None:
    assert sentences("We look at it. It is a poem.", answer=None) == ["We look at it."]


def test_words_go_inside_of_a_structure() -> None:
    prose = prose_of(Sample("What?", THOUGHTS, answer="42"))
    first, last = put_first(prose, "Well."), put_last(prose, "Good.")
    assert first is not None
    assert first.startswith("<think>\nWell. We know")
    assert last is not None
    assert "That is enough. Good.\n</think>\n<answer>\n42\n</answer>" in last
    assert put_after(prose, "Good.") is None
    assert put_after(prose_of(Sample("What?", "Answer: 42", answer="42")), "Good.") == "Answer: 42. Good."


@pytest.mark.parametrize("characters", [1, 2, 3, 7, 40, -3, -9, -12])
def test_a_twin_is_as_long_to_the_character(characters: int) -> None:
    sample = Sample("What?", "I add the tens. Then I add all of the ones. Answer: 42", answer="42")
    target = "x" * (len(sample.completion) + characters)
    twin = length_twin(sample, target)
    assert twin is not None
    assert len(twin) == len(target)
    assert twin.endswith(". Answer: 42")


def test_a_twin_that_is_longer_has_as_many_words() -> None:
    sample = Sample("What?", "I add the tens. Then I add the ones. Answer: 42", answer="42")
    changed = "- I add the tens.\n- Then I add the ones.\nAnswer: 42"
    twin = length_twin(sample, changed)
    assert twin is not None
    assert (len(twin), len(twin.split())) == (len(changed), len(changed.split()))


@pytest.mark.parametrize(
    "changed", ["We add the tens. Answer: 42", "I add. Then add all the ones. Answer: 42"]
)
def test_a_twin_that_is_shorter_has_as_few_words(changed: str) -> None:
    sample = Sample("What?", "- I add the tens.\n- Then I add all of the ones.\nAnswer: 42", answer="42")
    twin = length_twin(sample, changed)
    assert twin is not None
    assert (len(twin), len(twin.split())) == (len(changed), len(changed.split()))


def test_without_prose_there_is_no_twin() -> None:
    assert length_twin(Sample("What?", "Answer: 42", answer="42"), "Answer: 42\n") is None


@pytest.mark.parametrize("unit", ["\\[", "\\(", "<code>", "a", " ", "```\n", "$ ", '"a ', "\\boxed{", "*a "])
def test_a_policy_that_repeats_itself_does_not_stall_the_reading(unit: str) -> None:
    text = unit * (20_000 // len(unit)) + "\nAnswer: 42"  # minutes, were any pattern quadratic
    prose = prose_of(Sample("What?", text, answer="42"))
    assert all("Answer" not in text[one.begin : one.end] for one in prose.sentences)
