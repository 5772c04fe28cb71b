from __future__ import annotations

import pytest

from vllm_migrate.reward.answers.find import (
    answer_spans,
    find_answer,
    given_answer,
    marked_answers,
    protected_spans,
    replace_answer,
    with_reference,
)
from vllm_migrate.reward.sample import Sample


@pytest.mark.parametrize(
    ("completion", "answer", "found"),
    [
        ("I add. Answer: 1000", "1000", "Answer: [1000]"),
        ("I add. Answer: 1,000.", "1000", "Answer: [1,000]."),
        ("Answer:1 0 0 0", "1000", "Answer:[1 0 0 0]"),
        ("100+107=207. It is \\boxed{207}. So 207 dollars.", "207", "\\boxed{[207]}. So 207 dollars."),
        ("step 4: 2+2=4. The answer is 4.", "4", "The answer is [4]."),
        ("we get x=1/2, i.e. 0.5", "0.5", "i.e. [0.5]"),
        ("<think>maybe \\boxed{3}</think> <answer>4</answer>", "4", "<answer>[4]</answer>"),
        ("The answer is B because A is wrong.", "B", "answer is [B] because"),
        ("The answer is (B) cats", "B", "([B]) cats"),
        ("**Answer:** **42**", "42", "**[42]**"),
        ("**Final Answer**: $\\frac{1}{2}$", "0.5", "$[\\frac{1}{2}]$"),
        ("It is 42 apples. That is all.", "42", "It is [42] apples."),
        ("The capital is Paris.", "Paris", "is [Paris]."),
        ("so\n#### 18\n", "9*2=18\n#### 18", "#### [18]"),
        ("The answer to 40+2 is 42.", "42", "is [42]."),
        ("The answer is: $18", "18", "$[18]"),
        ("The final answer is $42$. I hope it is correct.", "42", "$[42]$."),
    ],
)
def test_where_it_stands(completion: str, answer: str, found: str) -> None:
    span = find_answer(completion, answer)
    assert span is not None
    assert found in f"{completion[: span[0]]}[{completion[slice(*span)]}]{completion[span[1] :]}"


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("It is 142 apples, 42.5 of them, 1,042 in all.", "42"),
        ("The answer is -42", "42"),
        ("Parisian cafés", "Paris"),
        ("Answer: 43", "42"),
        ("", "42"),
        ("42", ""),
    ],
)
def test_what_only_looks_like_it_is_not_found(completion: str, answer: str) -> None:
    assert find_answer(completion, answer) is None
    assert replace_answer(Sample("", completion, answer=answer), "1") is None


def test_another_answer_is_put_wherever_it_is_given_and_steps_are_left_alone() -> None:
    sample = Sample("?", "100+107=207. The answer is \\boxed{207}. So 207 dollars.", answer="207")
    changed = replace_answer(sample, "208")
    assert changed is not None
    assert changed.completion == "100+107=207. The answer is \\boxed{208}. So 208 dollars."
    assert not changed.sampled


def test_without_a_mark_the_last_sentence_that_says_it_is_changed() -> None:
    sample = Sample("?", "First 42 comes up. Then 42 it is, yes 42. Done.", answer="42")
    changed = replace_answer(sample, "7")
    assert changed is not None
    assert changed.completion == "First 42 comes up. Then 7 it is, yes 7. Done."


def test_spaced_digits_stay_spaced() -> None:
    changed = replace_answer(Sample("?", "Answer:1 0 0 0", answer="1000"), "2001")
    assert changed is not None
    assert changed.completion == "Answer:2 0 0 1"


def test_a_letter_is_only_changed_where_it_is_the_answer() -> None:
    changed = replace_answer(Sample("?", "A cat? A dog? Answer: A. A fine thing.", answer="A"), "B")
    assert changed is not None
    assert changed.completion == "A cat? A dog? Answer: B. A fine thing."


@pytest.mark.parametrize(
    ("completion", "like", "text", "form"),
    [
        ("so \\boxed{43}", "42", "43", "boxed"),
        ("<answer>43</answer>", "42", "43", "tag"),
        ("x\n#### 43", "42", "43", "hash"),
        ("Answer: 43", "42", "43", "line"),
        ("it is 43 then", "42", "43", "bare"),
        ("I choose (C) here", "B", "(C)", "bare"),
        ("<think>Answer: 1</think>Answer: 2", "2", "2", "line"),
    ],
)
def test_what_it_gives_right_or_wrong(completion: str, like: str, text: str, form: str) -> None:
    given = given_answer(completion, like=like)
    assert given is not None
    assert (given.text, given.form) == (text, form)
    assert completion[slice(*given.span)] == text


@pytest.mark.parametrize(
    ("completion", "like"),
    [
        ("Answer: 1. No: Answer: 2", "2"),
        ("\\boxed{1} \\boxed{2}", "2"),
        ("no idea", "42"),
        ("It is Rome", "Paris"),
    ],
)
def test_what_gives_several_or_none_gives_none(completion: str, like: str) -> None:
    assert given_answer(completion, like=like) is None


def test_a_mark_around_a_stronger_one_gives_way() -> None:
    assert [one.form for one in marked_answers("<answer>The answer is \\boxed{4}</answer>")] == ["boxed"]


def test_what_a_restyling_must_not_touch() -> None:
    text = "Since 42 fits, the answer is **42**. Also \\boxed{43}."
    spans = protected_spans(text, "42")
    assert [text[slice(*span)] for span in spans] == ["42", "42", "43"]
    assert spans == sorted(spans)
    assert answer_spans("nothing here", "42") == []
    assert protected_spans("nothing here", "so \\boxed{}") == []


def test_another_reference_is_put_into_the_columns_that_hold_it() -> None:
    sample = Sample("?", "x", {"answer": 42, "reward_model": {"ground_truth": "42"}, "level": 3}, answer="42")
    changed = with_reference(sample, "43")
    assert changed is not None
    assert changed.columns == {"answer": 43, "reward_model": {"ground_truth": "43"}, "level": 3}
    assert changed.answer == "43"
    assert with_reference(Sample("?", "x", {"level": 3}, answer="42"), "43") is None


@pytest.mark.parametrize(
    "text", ["\\boxed{" * 500, "Answer: " * 500, "<answer>" * 500, "#### " * 500, "1 " * 5000, "-" * 999]
)
def test_no_text_is_too_much(text: str) -> None:
    find_answer(text, "42")
    given_answer(text, like="42")
    protected_spans(text, "42")
