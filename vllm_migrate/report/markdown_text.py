"""Markdown that says what was meant: nothing in a text from outside is read as markup, link or mention.

GitHub turns `@name`, `#12` and addresses into links after it has read the markup, except in code. So words of
a result stand as code where they are literals, and as prose with their punctuation written as entities.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.report.shown import shown
from vllm_migrate.statistics.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LONGEST = 60_000
"""Characters; GitHub refuses comments of more than 65,536."""
_VERDICTS = {Verdict.PASS: "✅", Verdict.FAIL: "❌", Verdict.INCONCLUSIVE: "❔", None: "⚠️"}
_PLAIN_CODE = re.compile(r"[\w .,:;=/+()\[\]{}'\"<>*#@&!?%^~-]+")
_SPECIAL = re.compile(
    r"[\\`*_{}\[\]<>#+!|~@&$]"  # emphasis, code, links, tags, mentions, tables, formulas
    r"|(?<=[A-Za-z_])[.:](?=[\w/])"  # addresses
    r"|^[-=]|(?<=^\d)[.)](?=\s|$)|(?<=^\d\d)[.)](?=\s|$)"  # what opens a list or underlines a heading
)
_ANY = re.compile(r"[^A-Za-z0-9 ]")  # an underscore, too: Markdown reads on between the tags


def title(command: str, verdict: Verdict | None, word: str) -> str:
    """The line at the top: which command it is of, and what it came to, as a sign and in words of ours."""
    return f"## {_VERDICTS[verdict]} vllm-migrate {command}: {word}\n"


def prose(value: object, *, longest: int = 2000) -> str:
    """Running text in one paragraph."""
    words = " ".join(shown(value, kept="\n", longest=longest).split())
    # An empty comment parts a mention or an issue's number from its mark: entities alone do not.
    return _SPECIAL.sub(_entity, words).replace("&#64;", "&#64;<!-- -->").replace("&#35;", "&#35;<!-- -->")


def code(value: object, *, longest: int = 200) -> str:
    """A literal, as code."""
    words = shown(value, longest=longest)
    if not words.strip():
        return "<code>&#32;</code>" if words else ""
    if _PLAIN_CODE.fullmatch(words) and words == words.strip():
        return f"`{words}`"
    return f"<code>{_ANY.sub(_entity, words)}</code>"


def _entity(match: re.Match[str]) -> str:
    return f"&#{ord(match[0])};"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; its cells are Markdown without pipes and line feeds."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines) + "\n"


def folded(summary: str, body: str) -> str:
    """Something to be opened by the reader. `summary` is plain text of ours."""
    return f"<details><summary>{summary}</summary>\n\n{body}\n</details>\n"


def fenced(text: str, language: str = "") -> str:
    """A block of code, with a fence longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    safe = "\n".join(shown(line) for line in text.split("\n"))
    return f"{fence}{language}\n{safe}\n{fence}\n"
