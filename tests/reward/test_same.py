from __future__ import annotations

import pytest

from vllm_migrate.reward.answers.same import compare, final_of, same_answer

SAME = [
    ("1/2", "0.5"),
    (r"\frac{1}{2}", r"\dfrac12"),
    (r"\frac{-1}{2}", "-1/2"),
    ("1 1/2", "3/2"),
    (r"1\frac{1}{2}", "1.5"),
    ("1,000", "1000"),
    ("1{,}000", "1000"),
    ("1 0 0 3", "1003"),
    ("42.0", "42"),
    ("+42", "42"),
    ("\u22125", "-5"),
    ("1e3", "1000"),
    ("2^{10}", "1024"),
    ("$18", "18 dollars"),
    (r"\$18", "18"),
    ("42 cm", "42"),
    (r"12\text{ cm}^2", "12"),
    (r"90^\circ", "90"),
    (r"50\%", "50%"),
    (r"2\sqrt{3}", r"\sqrt{12}"),
    (r"\frac{\sqrt{3}}{3}", r"1/\sqrt{3}"),
    (r"3\pi", r"\pi*3"),
    ("x=5", "5"),
    ("2x+1", "1+2x"),
    ("x^2-1", "(x-1)(x+1)"),
    ("(1,2)", "(1, 2)"),
    (r"\left(3, \frac{\pi}{2}\right)", r"(3, \pi/2)"),
    (r"\{1,2\}", "{2,1}"),
    ("1, 2", "2,1"),
    ("1 and 2", "2, 1"),
    (r"x = 1 \pm \sqrt{2}", r"1+\sqrt2, 1-\sqrt2"),
    ("[0,1)", "[0, 1)"),
    ("B", "(B)"),
    ("B", "b"),
    ("B) 42", "B"),
    (r"\text{(B)}", "B"),
    ("Paris.", "paris"),
    ("**42**", r"\boxed{42}"),
    ("9 * 2 = 18\n#### 18", "18"),
    ("True", "yes"),
    ("2024-03-12", "12 March 2024"),
    ("2024-03-12", "March 12th, 2024"),
    ("2024/3/12", "12 Mar 2024."),
]
OTHER = [
    ("42", "43"),
    ("1000", "1001"),
    ("42", "-42"),
    ("1/2", "1/3"),
    ("1,000", "1"),
    ("B", "C"),
    ("(1,2)", "(2,1)"),
    ("[0,1)", "(0,1)"),
    ("1,2", "1,3"),
    ("2x", "3x"),
    ("yes", "no"),
    ("2024-03-12", "2024-04-11"),
    ("2024-03-12", "13 March 2024"),
]
OPEN = [
    ("0.333", "1/3"),
    ("50%", "0.5"),
    ("50%", "50"),
    ("007", "7"),
    ("1 m", "100 cm"),
    ("Paris", "London"),
    ("42", "unknown"),
    ("B", "42"),
    ("3.14", r"\pi"),
    ("2024-03-12", "2009"),
    ("2024-02-30", "30 February 2024"),
]


@pytest.mark.parametrize(("a", "b"), SAME)
def test_they_say_the_same(a: str, b: str) -> None:
    assert compare(a, b) is True
    assert compare(b, a) is True
    assert same_answer(a, b)


@pytest.mark.parametrize(("a", "b"), OTHER)
def test_they_say_something_else(a: str, b: str) -> None:
    assert compare(a, b) is False
    assert compare(b, a) is False


@pytest.mark.parametrize(("a", "b"), OPEN)
def test_what_depends_on_the_task_is_left_open(a: str, b: str) -> None:
    assert compare(a, b) is None
    assert compare(b, a) is None
    assert not same_answer(a, b)


@pytest.mark.parametrize(
    "hostile",
    [
        "9" * 5000,
        "9^9^9^9^9",
        "(" * 3000,
        "((((" * 40,
        "10^64" * 30,
        "1/0",
        "\\sqrt",
        "\\boxed{",
        "30!!!!",
        "-" * 190,
        "log(-1)",
        "\x00",
        "{" * 100,
        ",".join("1" * 90),
        "=" * 50,
        "\\frac",
        "\\frac1",
        "|1",
        "(1," * 2000 + "1" + ")" * 2000,
        "100!!",
        "(10^60)^60",
        "1e999",
        "0^{-1}",
    ],
)
def test_no_text_is_too_much(hostile: str) -> None:
    assert compare(hostile, "42") is not True


def test_the_answer_of_a_whole_solution_is_what_it_ends_in() -> None:
    assert final_of("two and two\n#### 4") == "4"
    assert final_of(r"so \boxed{3} and then \boxed{\frac{1}{2}}") == r"\frac{1}{2}"
    assert final_of("<answer> B </answer>") == "B"
    assert final_of(" 42 ") == "42"
