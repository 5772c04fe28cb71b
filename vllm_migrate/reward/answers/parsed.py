"""An answer taken apart: a number with its unit, a formula, a list, a letter of a choice, or words."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from vllm_migrate.reward.answers.dates import read_date
from vllm_migrate.reward.answers.expressions import Formula, evaluate

_SYMBOLS = {
    "\u2212": "-",
    "\u2013": "-",
    "\u00d7": "*",
    "\u00b7": "*",
    "\u22c5": "*",
    "\u00f7": "/",
    "\u2044": "/",
    "\u2215": "/",
    "\u221a": "\\sqrt",
    "\u03c0": "\\pi",
    "\u00b2": "^2",
    "\u00b3": "^3",
    "\u00bd": " 1/2",
    "\u2153": " 1/3",
    "\u2154": " 2/3",
    "\u00bc": " 1/4",
    "\u00be": " 3/4",
    "\u00b0": "^\\circ",
    "\u221e": "\\infty",
    "\u00b1": "\\pm",
    "\u2264": "\\le",
    "\u2265": "\\ge",
    "\u201c": '"',
    "\u201d": '"',
    "\u2019": "'",
}
_TABLE = str.maketrans(_SYMBOLS)
_DROPPED = re.compile(r"\\(?:left|right|displaystyle|limits|quad|qquad|big|Big)(?![A-Za-z])|\\[!,;: ]|~")
_COMMANDS = (
    (re.compile(r"\\[dtc]frac(?![A-Za-z])"), r"\\frac"),
    (re.compile(r"\\(?:cdot|times)(?![A-Za-z])"), "*"),
    (re.compile(r"\\div(?![A-Za-z])"), "/"),
    (re.compile(r"\\([%$#&])"), r"\1"),
    (re.compile(r"\{,\}"), ","),
)
_WRAPPERS = (
    re.compile(r"\$\$(.*)\$\$", re.DOTALL),
    re.compile(r"\$([^$]*)\$", re.DOTALL),
    re.compile(r"\\\((.*)\\\)", re.DOTALL),
    re.compile(r"\\\[(.*)\\\]", re.DOTALL),
    re.compile(r"\\(?:boxed|fbox|text|textbf|textit|mathrm|mathbf|mbox|operatorname)\s*\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}"),
    re.compile(r"<answer>(.*)</answer>", re.DOTALL),
    re.compile(r"\*\*(.*)\*\*", re.DOTALL),
    re.compile(r"__(.*)__", re.DOTALL),
    re.compile(r"`+([^`]*)`+", re.DOTALL),
    re.compile(r"\"([^\"]*)\"", re.DOTALL),
    re.compile(r"'([^']*)'", re.DOTALL),
)  # fmt: skip
_CHOICE = re.compile(
    r"(?:(?:option|choice|answer)\s+)?(?:\(([A-J])\)|([A-J]))(?:[.):](?:\s.*)?)?", re.DOTALL | re.IGNORECASE
)
_CHOICE_TEXT = re.compile(r"\(([A-J])\)\s+.*", re.DOTALL)
_PLAIN = r"\d{1,3}(?:,\s?\d{3})+(?:\.\d+)?|\d{1,3}(?:[ _]\d{3})+(?:\.\d+)?|\d(?: \d)+|\d+(?:\.\d+)?|\.\d+"
_NUMBER = re.compile(
    rf"(?P<sign>[+-]?)\s*(?P<money>[$€£¥]?)\s*(?P<sign2>[+-]?)(?P<digits>{_PLAIN})\.?(?P<power>[eE][+-]?\d{{1,3}})?"
    r"(?P<rest>\s*%|\s*[$€£¥]|\s*\^\s*\{?\\circ\}?\s*[CF]?"
    r"|\s*(?:\\(?:text|mathrm|mbox)\s*\{[^{}]*\}|(?!and\b|or\b)[A-Za-zµ][A-Za-zµ./ -]*)(?:\^\{?-?\d\}?)?)?"
)
_MIXED = re.compile(r"(-?)\s*(\d+)\s*(?:\\frac\s*\{\s*(\d+)\s*\}\s*\{\s*(\d+)\s*\}|\s(\d+)\s*/\s*(\d+))")
_LETTER_UNITS = frozenset("mgshLlNJWVAKCFtkd")
_VARIABLE = re.compile(r"\s*[A-Za-z](?:_\{?\w+\}?)?(?:\s*\([a-z]\))?\s*")
_MOST_CHARACTERS = 400  # longer ones are words, whatever is in them
_BRACKETS = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Parsed:
    """An answer taken apart.

    Attributes:
        kind: "number", "formula", "list", "choice", "date" or "text".
        text: normalised.
        formula: of a number or formula.
        unit: of a number, "" for none, "%" for percent.
        code: a number's digits where zeros in front say that they are more than a number.
        decimal: a number that is not written as an integer or a fraction of integers.
        parts, brackets: of a list; brackets "" where order means nothing.
    """

    kind: str
    text: str
    formula: Formula | None = None
    unit: str = ""
    code: str = ""
    decimal: bool = False
    parts: tuple[Parsed, ...] = ()
    brackets: str = ""


@lru_cache(maxsize=8192)
def parse(text: str) -> Parsed:
    """An answer taken apart."""
    clean = cleaned(text)
    if len(clean) > _MOST_CHARACTERS:
        return Parsed("text", _words(clean))
    choice = _CHOICE.fullmatch(clean) or _CHOICE_TEXT.fullmatch(clean)
    if choice is not None:
        return Parsed("choice", next(group for group in choice.groups() if group).upper())
    day = read_date(clean)
    if day is not None:
        return Parsed("date", day)
    return _number(clean) or _list(clean) or _formula(clean) or Parsed("text", _words(clean))


def cleaned(text: str) -> str:
    """Without typography: wrappers, spacing commands, unusual signs."""
    clean = "".join(
        unicodedata.normalize("NFKC", c) if unicodedata.category(c) in {"Nd", "Zs"} else c for c in text
    )
    clean = clean.translate(_TABLE)
    for _ in range(6):
        before = clean
        clean = clean.strip().rstrip(".,;:!").strip()
        for wrapper in _WRAPPERS:
            match = wrapper.fullmatch(clean)
            if match is not None:
                clean = match[1].strip()
        if clean == before:
            break
    clean = _DROPPED.sub(" ", clean)
    for pattern, instead in _COMMANDS:
        clean = pattern.sub(instead, clean)
    return " ".join(clean.split())


def _number(clean: str) -> Parsed | None:
    """A number with what may stand around it."""
    head, equals, tail = clean.rpartition("=")
    if equals and _VARIABLE.fullmatch(head):
        clean = tail.strip()
    match = _NUMBER.fullmatch(clean)
    if match is not None:
        return _plain_number(clean, match)
    mixed = _MIXED.fullmatch(clean)
    if mixed is not None:
        above, below = mixed[3] or mixed[5], mixed[4] or mixed[6]
        formula = evaluate(f"{mixed[1]}({mixed[2]}+{above}/{below})")
        return Parsed("number", clean, formula) if formula is not None else None
    return None


def _plain_number(clean: str, match: re.Match[str]) -> Parsed | None:
    rest = match["rest"] or ""
    if (
        rest
        and len(rest.strip()) == 1
        and rest.strip().isalpha()
        and not (rest[0] == " " and rest.strip() in _LETTER_UNITS)
    ):
        return None  # 3x is a formula
    unit = re.sub(r"\\(?:text|mathrm|mbox)|[\s{}\\^]", "", rest).lower() or match["money"]
    if rest and (evaluate(clean) is not None and unit != "%" and not rest[0].isspace()):
        return None
    digits = re.sub(r"[ ,_]", "", match["digits"])
    power = match["power"] or ""
    sign = "-" if "-" in {match["sign"], match["sign2"]} else ""
    formula = evaluate(f"{sign}{digits}" + (f"*10^({power[1:].lstrip('+')})" if power else ""))
    if formula is None:
        return None
    code = digits if len(digits) > 1 and digits[0] == "0" and digits.isdigit() else ""
    return Parsed(
        "number", clean, formula, unit=_unit(unit), code=sign + code if code else "", decimal="." in digits
    )


def _unit(unit: str) -> str:
    """One word for units that are written in several ways."""
    money = {"$": "dollar", "usd": "dollar", "€": "euro", "£": "pound", "percent": "%", "circ": "degree"}
    unit = money.get(unit, unit)
    return unit[:-1] if len(unit) > 3 and unit.endswith("s") else unit  # noqa: PLR2004 - "ms" is no plural


def _formula(clean: str) -> Parsed | None:
    text = clean
    head, equals, tail = clean.rpartition("=")
    if equals and _VARIABLE.fullmatch(head):
        text = tail.strip()
    formula = evaluate(text)
    if formula is None:
        return None
    if formula.variables:
        return Parsed("formula", text.replace(" ", ""), formula)
    return Parsed("number", text.replace(" ", ""), formula, decimal="." in text)


def _list(clean: str) -> Parsed | None:
    r"""Several answers: `1, 2`, `{1, 2}`, `(1, 2)`, `1 and 2`, `1 \pm 2`."""
    head, equals, tail = clean.partition("=")
    text = tail.strip() if equals and _VARIABLE.fullmatch(head) else clean
    text = text.replace("\\{", "{").replace("\\}", "}")
    if text.count("\\pm") == 1:
        return Parsed("list", text, parts=tuple(parse(text.replace("\\pm", sign)) for sign in "+-"))
    brackets = ""
    if len(text) > 1 and text[0] in _BRACKETS and text[-1] in ")]}" and _closes_at_end(text):
        brackets = text[0] + text[-1]
        inside = _split(text[1:-1])
        if len(inside) == 1 and brackets != "{}":
            return None
    else:
        inside = _split(re.sub(r",?\s+(?:and|or)\s+|\s*;\s*", ", ", text))
    if not brackets and (len(inside) < 2 or any(parse(part).kind == "text" for part in inside)):  # noqa: PLR2004
        return None  # a sentence with commas
    parts = [parse(part) for part in inside]
    return Parsed("list", text, parts=tuple(parts), brackets="" if brackets == "{}" else brackets)


def _closes_at_end(text: str) -> bool:
    depth = 0
    for place, character in enumerate(text):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(character, 0)
        if depth == 0:
            return place == len(text) - 1
    return False


def _split(text: str) -> list[str]:
    """At the commas outside all brackets."""
    parts, depth, begin = [], 0, 0
    for place, character in enumerate(text):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append(text[begin:place])
            begin = place + 1
    return [part.strip() for part in [*parts, text[begin:]]]


def _words(clean: str) -> str:
    words = re.sub(r"\\(?:text|mathrm|mbox|textbf)\s*\{([^{}]*)\}", r"\1", clean).casefold()
    return re.sub(r"^(?:the|an|a)\s+", "", " ".join(words.split()))
