from __future__ import annotations

import pytest

from vllm_migrate.reward.answers.second import Opinion, has_math_verify, opinions
from vllm_migrate.reward.sample import Sample


def of(completion: str, answer: str | None, finish: str = "stop") -> Opinion | None:
    sample = Sample("?", completion, answer=answer, finish_reason=finish)
    return opinions([sample], mathematics=False).get(0)


def test_what_it_gives_is_compared_with_the_reference() -> None:
    assert of("Answer: 1,000", "1000") == Opinion(right=True, given="1,000", form="line")
    assert of("so \\boxed{41}", "42") == Opinion(right=False, given="41", form="boxed")
    assert of("<think>hm</think> #### 7", "7", "length") == Opinion(
        right=True, given="7", form="hash after thoughts, cut off"
    )


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("Answer: 0.333", "1/3"),
        ("Answer: 1. Answer: 2", "2"),
        ("no idea", "42"),
        ("it is 42 in 3 steps", "42"),
        ("4", None),
    ],
)
def test_what_is_not_sure_is_no_opinion(completion: str, answer: str | None) -> None:
    assert of(completion, answer) is None


@pytest.mark.skipif(not has_math_verify(), reason="the extra `math` is not installed")
def test_math_verify_is_asked_too_and_must_agree() -> None:
    samples = [
        Sample("?", "The answer is $\\boxed{\\frac{1}{2}}$.", answer="0.5"),
        Sample("?", "The answer is $\\boxed{3}$.", answer="4"),
        Sample("?", "Answer: B", answer="B"),
    ]
    found = opinions(samples)
    assert (found[0].right, found[0].both) == (True, True)
    assert (found[1].right, found[1].both) == (False, True)
    assert (found[2].right, found[2].both) == (True, False)


@pytest.mark.skipif(not has_math_verify(), reason="the extra `math` is not installed")
def test_math_verify_does_not_decide_between_units() -> None:
    sample = Sample("How long?", "So it is.\nAnswer: 4600 km", {}, answer="4600 m")
    assert opinions([sample]) == {}
