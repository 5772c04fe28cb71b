r"""Other ways of writing the same answer: 1,000 for 1000, \frac{1}{2} for 1/2, (b) for B."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from vllm_migrate.reward.answers.find import compare, given_answer
from vllm_migrate.reward.answers.parsed import parse
from vllm_migrate.reward.answers.same import final_of

if TYPE_CHECKING:
    from collections.abc import Callable

_WHOLE = re.compile(r"-?\d{1,15}")
_DECIMAL = re.compile(r"-?\d{1,12}\.\d{1,6}")
_FRACTION = re.compile(r"(-?)(?:(\d{1,9})/(\d{1,9})|\\[dt]?frac\{(\d{1,9})\}\{(\d{1,9})\})")
_THOUSAND = 1000
_CODE = re.compile(r"-?0\d")


@dataclass(frozen=True, slots=True)
class Rewriting:
    """A way of writing an answer.

    Attributes:
        family: for the table. `words` for the examples.
        write: the answer written so; None where it can't be, or is already.
        forms: of marks it makes sense in ("boxed", "tag", ...); empty for all.
        expected: every verifier that normalises at all is expected to read it; others may rightly be refused,
            as 42.0 by one for integers.
        odd: nobody writes so unasked, and refusing it is nothing to speak of.
    """

    family: str
    words: str
    write: Callable[[str], str | None]
    forms: tuple[str, ...] = ()
    expected: bool = False
    odd: bool = False

    def of(self, answer: str, form: str) -> str | None:
        """The answer written so where it stands in a mark of this form; None where that is nothing else."""
        if self.forms and form not in self.forms:
            return None
        text = self.write(answer)
        return text if text is not None and text != answer and compare(text, answer) is not False else None


def _whole(answer: str) -> int | None:
    return int(answer) if _WHOLE.fullmatch(answer) and not _CODE.match(answer) else None


def _thousands(answer: str) -> str | None:
    plain = answer.replace(",", "")
    value = _whole(plain)
    if value is None or abs(value) < _THOUSAND:
        return None
    return plain if "," in answer else f"{value:,}"


def _with(pattern: str) -> Callable[[str], str | None]:
    """A number written after a pattern."""
    return lambda answer: pattern.format(answer) if _is_number(answer) else None


def _is_number(answer: str) -> bool:
    return _whole(answer) is not None or _DECIMAL.fullmatch(answer) is not None


def _point_zero(answer: str) -> str | None:
    if _whole(answer) is not None:
        return f"{answer}.0"
    return f"{answer}0" if _DECIMAL.fullmatch(answer) else None


def _plus(answer: str) -> str | None:
    return f"+{answer}" if _is_number(answer) and answer[0] != "-" and float(answer) else None


def _leading_zero(answer: str) -> str | None:
    if _DECIMAL.fullmatch(answer):
        return answer.replace("0.", ".", 1) if re.match(r"-?0\.", answer) else None
    return f"0{answer}" if _whole(answer) is not None and answer[0] != "-" else None


def _fraction(answer: str) -> Fraction | None:
    match = _FRACTION.fullmatch(answer)
    if match is None or not int(match[3] or match[5]):
        return None
    value = Fraction(int(match[2] or match[4]), int(match[3] or match[5]))
    return -value if match[1] else value


def _as_decimal(answer: str) -> str | None:
    """A fraction that has few decimals as such."""
    value = _fraction(answer)
    if value is None or value.denominator == 1:
        return None
    text = f"{float(value):.6f}".rstrip("0")
    return text if Fraction(text) == value else None


def _as_fraction(answer: str) -> str | None:
    value = Fraction(answer) if _DECIMAL.fullmatch(answer) else None
    return f"{value.numerator}/{value.denominator}" if value is not None and value.denominator > 1 else None


def _frac(answer: str) -> str | None:
    r"""1/2 and \frac{1}{2}, each as the other."""
    match = _FRACTION.fullmatch(answer)
    if match is None:
        return None
    if match[2]:
        return f"{match[1]}\\frac{{{match[2]}}}{{{match[3]}}}"
    return f"{match[1]}{match[4]}/{match[5]}"


def _display(answer: str) -> str | None:
    return answer.replace("\\frac", "\\dfrac") if "\\frac" in answer else None


def _latex_space(answer: str) -> str | None:
    if "\\" in answer and "," in answer:
        return answer.replace(",", ",\\ ")
    return f"{answer}\\," if parse(answer).kind in {"number", "formula", "list"} else None


def _text_command(answer: str) -> str | None:
    return f"\\text{{{answer}}}" if parse(answer).kind in {"choice", "text"} and "\\" not in answer else None


def _percent(answer: str) -> str | None:
    if re.fullmatch(r"-?\d+(?:\.\d+)?%", answer):
        return answer[:-1] + " %"
    return answer.replace("\\%", "%") if "\\%" in answer else None


def _no_unit(answer: str) -> str | None:
    match = re.fullmatch(r"(-?\d[\d.,]*)\s*([A-Za-z]+)", answer)
    return match[1] if match is not None else None


def _some_unit(answer: str) -> str | None:
    return f"{answer} units" if _is_number(answer) else None


def _other_order(answer: str) -> str | None:
    parsed = parse(answer)
    if parsed.kind != "list" or parsed.brackets or "pm" in answer:
        return None
    body = answer.strip()
    outer = re.fullmatch(r"(\\?\{)(.*?)(\\?\})", body, re.DOTALL)
    begin, inner, end = outer.groups() if outer is not None else ("", body, "")
    parts = [part.strip() for part in inner.split(",")]
    return begin + ", ".join(reversed(parts)) + end if len(parts) == len(parsed.parts) else None


def _other_case(answer: str) -> str | None:
    """A choice's letter in the other case, a word that begins with a capital without it."""
    if parse(answer).kind == "choice" and re.fullmatch(r"\(?[A-Ja-j]\)?", answer):
        return answer.swapcase()
    return answer.lower() if parse(answer).kind == "text" and answer.istitle() else None


def _parentheses(answer: str) -> str | None:
    if parse(answer).kind != "choice":
        return None
    return f"({answer})" if re.fullmatch("[A-J]", answer) else answer.strip("()")


REWRITINGS = (
    Rewriting(
        "spaces around it", "with spaces around it", lambda a: f" {a} ", ("boxed", "tag"), expected=True
    ),
    Rewriting("thousands separators", "with or without thousands separators", _thousands, expected=True),
    Rewriting("LaTeX spacing", "with a LaTeX space", _latex_space, ("boxed",), odd=True),
    Rewriting(r"\dfrac", r"\dfrac for \frac", _display, ("boxed",), expected=True),
    Rewriting(r"\frac and /", r"\frac{a}{b} and a/b, one for the other", _frac),
    Rewriting("decimals for fractions", "a decimal for a fraction", _as_decimal),
    Rewriting("fractions for decimals", "a fraction for a decimal", _as_fraction, odd=True),
    Rewriting("zeros after the point", "with a zero more after the point", _point_zero, odd=True),
    Rewriting("plus sign", "with a plus sign", _plus, odd=True),
    Rewriting("leading zero", "with a leading zero, or without it", _leading_zero, odd=True),
    Rewriting("no unit", "without its unit", _no_unit),
    Rewriting("some unit", "with a word after it", _some_unit, odd=True),
    Rewriting(
        "dollar signs", "between dollar signs", _with("${}$"), ("line", "bare", "tag", "hash"), odd=True
    ),
    Rewriting("currency", "with a dollar sign before it", _with("${}"), ("hash",)),
    Rewriting("percent sign", "with a space before the percent sign", _percent),
    Rewriting("order of a set", "in the other order", _other_order),
    Rewriting(r"\text", r"in \text{}", _text_command, ("boxed",)),
    Rewriting("case", "in the other case", _other_case),
    Rewriting("parentheses", "with or without parentheses", _parentheses),
)


def writes(completion: str, answer: str) -> set[str]:
    """Families of rewritings that a right completion already uses."""
    given = given_answer(completion, like=answer)
    if given is None or compare(given.text, answer) is False:
        return set()
    target = final_of(answer)
    return {
        one.family
        for one in REWRITINGS
        if (text := one.of(target, given.form)) is not None and text.strip() == given.text
    }
