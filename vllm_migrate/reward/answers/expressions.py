r"""What a short formula is worth: a small evaluator for numbers, fractions, LaTeX and one-letter variables.

Recursive descent over `+ - * / ^ ( ) { } |`, implied multiplication, `!`, `%`, \frac, \sqrt, \pi and the
usual functions. Rational arithmetic is exact. Nothing is executed, and length, depth and powers are bounded.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

Value = Fraction | float

_MOST_CHARACTERS = 200
_MOST_DEPTH = 30
_MOST_POWER = 64
_MOST_BITS = 4096
_MOST_FACTORIAL = 30
_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?|\.\d+)|\\([A-Za-z]+)|([A-Za-z]+)|(.))")
_TWO_LETTER_WORDS = re.compile("am|an|as|at|be|by|do|go|he|if|in|is|it|me|my|no|of|ok|on|or|so|to|up|us|we")
_POINTS = (0.7391, 1.3187, 2.2143)
_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "arcsin": math.asin,
    "arccos": math.acos,
    "arctan": math.atan,
    "ln": math.log,
    "log": math.log10,
    "exp": math.exp,
    "abs": abs,
}


class NotAFormulaError(Exception):
    """The text is none that can be evaluated. Caught in this file."""


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula's worth.

    Attributes:
        values: one where it has no variable, exact where it is rational; else one at each of three points.
        variables: the letters in it.
    """

    values: tuple[Value, ...]
    variables: frozenset[str]


@lru_cache(maxsize=4096)
def evaluate(text: str) -> Formula | None:
    """The formula's worth; None where the text is no formula, or has no finite worth."""
    if not text.strip() or len(text) > _MOST_CHARACTERS:
        return None
    try:
        tokens = _tokens(text)
        variables = frozenset(token for token in tokens if len(token) == 1 and token.isalpha())
        points = _POINTS if variables else (0.0,)
        values = tuple(_Parser(tokens, _places(variables, point)).value() for point in points)
        finite = all(math.isfinite(value) for value in values)  # raises where one is too large for a float
    except (NotAFormulaError, ArithmeticError, ValueError, TypeError):
        return None
    return Formula(values, variables) if finite else None


def _places(variables: frozenset[str], point: float) -> dict[str, float]:
    """Where each variable is put: each at a place of its own."""
    return {name: point + 0.137 * (ord(name) % 29) for name in variables}


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    for number, command, word, other in _TOKEN.findall(text):
        if number:
            found.append(number)
        elif command:
            found.append("\\" + command)
        elif word and word in {*_FUNCTIONS, "pi", "sqrt"}:
            found.append("\\" + word)
        elif word and len(word) > 1 and not word.islower():
            raise NotAFormulaError  # a name
        elif _TWO_LETTER_WORDS.fullmatch(word) or len(word) > 2:  # noqa: PLR2004 - `xy` is a product, `cats` is a word
            raise NotAFormulaError
        elif word:
            found.extend(word)
        elif other.strip():
            found.append(other)
    return found


class _Parser:
    """One pass over the tokens."""

    def __init__(self, tokens: list[str], places: dict[str, float]) -> None:
        self.tokens = tokens
        self.places = places
        self.at = 0
        self.depth = 0

    def value(self) -> Value:
        found = self._sum()
        if self.at != len(self.tokens):
            raise NotAFormulaError
        return found

    @property
    def _next(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _take(self) -> str:
        self.at += 1
        if self.at > len(self.tokens):
            raise NotAFormulaError
        return self.tokens[self.at - 1]

    def _sum(self) -> Value:
        self.depth += 1
        if self.depth > _MOST_DEPTH:
            raise NotAFormulaError
        total = self._product()
        while self._next in {"+", "-"}:
            sign = self._take()
            part = self._product()
            total = total + part if sign == "+" else total - part
        self.depth -= 1
        return total

    def _product(self) -> Value:
        total = self._signed()
        while True:
            if self._next == "*":
                self._take()
                total = total * self._signed()
            elif self._next == "/":
                self._take()
                total = total / self._signed()
            elif self._starts_factor():
                total = total * self._power()
            else:
                return total

    def _starts_factor(self) -> bool:
        """Whether what comes next multiplies what came before without a sign; a number does not."""
        token = self._next
        return token in {"(", "{"} or token.isalpha() or (token.startswith("\\") and len(token) > 1)

    def _signed(self) -> Value:
        sign = 1
        while self._next in {"+", "-"}:
            sign = -sign if self._take() == "-" else sign
        return sign * self._power()

    def _power(self) -> Value:
        base = self._after(self._atom())
        if self._next != "^":
            return base
        self._take()
        return _raised(base, self._signed())

    def _after(self, value: Value) -> Value:
        while self._next in {"!", "%"}:
            if self._take() == "%":
                value = value / 100
            elif value == int(value) and 0 <= value <= _MOST_FACTORIAL:
                value = Fraction(math.factorial(int(value)))
            else:
                raise NotAFormulaError
        return value

    def _atom(self) -> Value:
        token = self._take()
        if token[0].isdigit() or (token[0] == "." and len(token) > 1):
            return Fraction(token)
        if token in self.places:
            return self.places[token]
        if token in {"(", "{", "|"}:
            inside = self._sum()
            if self._take() != {"(": ")", "{": "}", "|": "|"}[token]:
                raise NotAFormulaError
            return -inside if token == "|" and inside < 0 else inside  # noqa: S105 - a bar, no password
        return self._command(token[1:]) if token.startswith("\\") else self._refuse()

    def _command(self, name: str) -> Value:
        if name == "pi":
            return math.pi
        if name == "frac":
            above = self._argument()
            return above / self._argument()
        if name == "sqrt":
            root: Value = Fraction(2)
            if self._next == "[":
                self._take()
                root = self._sum()
                if self._take() != "]":
                    raise NotAFormulaError
            return _raised(self._argument(), 1 / root)
        if name in _FUNCTIONS:
            return float(_FUNCTIONS[name](float(self._argument())))
        return self._refuse()

    def _argument(self) -> Value:
        """What a command applies to: a group, or one digit or letter."""
        token = self._next
        if token.isdigit() and len(token) > 1:  # \frac12 is a half
            self.tokens = [*self.tokens[: self.at], *token, *self.tokens[self.at + 1 :]]
        return self._atom()

    def _refuse(self) -> Value:
        raise NotAFormulaError


def _raised(base: Value, power: Value) -> Value:
    if not -_MOST_POWER <= power <= _MOST_POWER:
        raise NotAFormulaError
    if isinstance(base, Fraction) and isinstance(power, Fraction):
        if power.denominator == 1:
            if (base.numerator.bit_length() + base.denominator.bit_length()) * abs(int(power)) > _MOST_BITS:
                raise NotAFormulaError
            return Fraction(base ** int(power))
        if power.denominator == 2 and base >= 0:  # noqa: PLR2004 - a square root, exact where it can be
            above, below = math.isqrt(base.numerator), math.isqrt(base.denominator)
            if above * above == base.numerator and below * below == base.denominator:
                return Fraction(Fraction(above, below) ** int(power.numerator))
    if base < 0:
        raise NotAFormulaError  # no real number
    return float(math.pow(float(base), float(power)))
