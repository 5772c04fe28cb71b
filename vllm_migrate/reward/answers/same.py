"""Do two answers say the same? A normaliser of our own, independent of whatever a reward uses.

It knows numbers (thousands separators, fractions, mixed numbers, decimals, percent, units, currency),
formulas and LaTeX, lists, sets, tuples and intervals, letters of choices, and short texts. Where two answers
may or may not be the same by what a task asks for (a rounded number, another unit, 50% and 50, other words)
it says so instead of guessing: judges built on it leave those out.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from vllm_migrate.reward.answers.parsed import Parsed, parse

if TYPE_CHECKING:
    from vllm_migrate.reward.answers.expressions import Value

_ROUNDED = 0.01  # decimals this close may be one number rounded in two ways: left open
_EXACT = 1e-9
_BRACES = re.compile(r"\\(?:boxed|fbox)\s*\{|[{}]")
_CLOSED = {"yes": "yes", "no": "no", "true": "yes", "false": "no", "correct": "yes", "incorrect": "no"}


def same_answer(a: str, b: str) -> bool:
    """Whether both surely say the same; False also where that is open."""
    return compare(a, b) is True


def compare(a: str, b: str) -> bool | None:
    """Whether both say the same; None where that depends on what the task asks for, or can't be told."""
    return _same(parse(final_of(a)), parse(final_of(b)))


def final_of(reference: str) -> str:
    """The answer of a reference that may be a whole solution: after `####`, in the last box, in tags."""
    if "####" in reference:
        return reference.rpartition("####")[2].strip().partition("\n")[0].strip()
    box = last_box(reference)
    if box is not None:
        return reference[box[0] : box[1]].strip()
    tagged = reference.rpartition("<answer>")[2].partition("</answer>")[0]
    return tagged.strip() if "<answer>" in reference else reference.strip()


def boxes(text: str) -> list[tuple[int, int]]:
    r"""Where the contents of \boxed{...} and \fbox{...} stand; a box that is not closed is left out."""
    found: list[tuple[int, int]] = []
    opened: list[int | None] = []  # where a box's content begins, None for any other brace
    for match in _BRACES.finditer(text):
        if match[0] != "}":
            opened.append(match.end() if len(match[0]) > 1 else None)
        elif opened:
            begin = opened.pop()
            if begin is not None:
                found.append((begin, match.start()))
    return sorted(found)


def last_box(text: str) -> tuple[int, int] | None:
    """Where the content of the last box stands; None where there is none."""
    found = boxes(text) if "\\boxed" in text or "\\fbox" in text else []
    return found[-1] if found else None


def _same(a: Parsed, b: Parsed) -> bool | None:
    if a.kind == b.kind and a.kind in {"choice", "date"}:
        return a.text == b.text
    if a.kind == b.kind == "number":
        return _same_number(a, b)
    if a.kind == b.kind == "formula":
        return _same_formula(a, b)
    if a.kind == b.kind == "list":
        return _same_list(a, b)
    if a.kind == b.kind == "text":
        ours, theirs = _CLOSED.get(a.text, ""), _CLOSED.get(b.text, "")
        return True if a.text == b.text else (ours == theirs) if ours and theirs else None
    return True if a.text == b.text else None


def _same_number(a: Parsed, b: Parsed) -> bool | None:
    ours, theirs = _only(a), _only(b)
    if _close(ours, theirs):
        if (a.code or b.code) and a.code != b.code:
            return None
        return True if a.unit == b.unit or ("%" not in {a.unit, b.unit} and "" in {a.unit, b.unit}) else None
    if a.unit != b.unit and a.unit and b.unit:
        return None
    if (
        "%" in {a.unit, b.unit}
        and a.unit != b.unit
        and any(_close(x, y * 100) for x, y in ((ours, theirs), (theirs, ours)))
    ):
        return None
    rounded = a.decimal or b.decimal or isinstance(ours, float) or isinstance(theirs, float)
    near = abs(float(ours) - float(theirs)) <= _ROUNDED * max(abs(float(ours)), abs(float(theirs)))
    return None if rounded and near else False


def _only(parsed: Parsed) -> Value:
    return parsed.formula.values[0] if parsed.formula is not None else math.nan


def _close(a: Value, b: Value) -> bool:
    if not isinstance(a, float) and not isinstance(b, float):
        return a == b
    return math.isclose(a, b, rel_tol=_EXACT, abs_tol=1e-12)


def _same_formula(a: Parsed, b: Parsed) -> bool | None:
    if a.formula is None or b.formula is None:
        return None
    if a.formula.variables != b.formula.variables:
        return None
    close = all(_close(x, y) for x, y in zip(a.formula.values, b.formula.values, strict=True))
    return True if close else None if "i" in a.formula.variables else False


def _same_list(a: Parsed, b: Parsed) -> bool | None:
    if a.brackets != b.brackets and a.brackets and b.brackets:
        return None if len(a.parts) != len(b.parts) else False
    if len(a.parts) != len(b.parts):
        return False
    if a.brackets or b.brackets:
        verdicts = [_same(x, y) for x, y in zip(a.parts, b.parts, strict=True)]
        return False if False in verdicts else None if None in verdicts else True
    left, sure = list(b.parts), True
    for part in a.parts:
        verdicts = [_same(part, other) for other in left]
        if True in verdicts:
            left.pop(verdicts.index(True))
        elif None in verdicts:
            sure = False
            left.pop(verdicts.index(None))
        else:
            return False
    return True if sure else None
