"""The same text with other white space, where no reader sees it: around sentences, never inside of them.

Every function takes a sample and gives its completion changed, or None where there is nothing to change.
White space beside tags, in code and around the answer's frame is left alone.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from vllm_migrate.reward.changes.prose import edited, prose_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.reward.changes.prose import Edit, Prose
    from vllm_migrate.reward.sample import Sample

_OPENS = re.compile(r"\s*(?:<|\{|\[|```)")
_CLOSES = re.compile(r"(?:>|```)\s*\Z|\A\s*[\[{].*[\]}]\s*\Z", re.DOTALL)


def space_at_end(sample: Sample) -> str | None:
    """A space and a line break at the end; not behind a structure that ends there."""
    return None if _closed(sample) else sample.completion + " \n"


def lines_at_end(sample: Sample) -> str | None:
    """Three blank lines at the end; not behind a structure that ends there."""
    return None if _closed(sample) else sample.completion + "\n\n\n"


def line_in_front(sample: Sample) -> str | None:
    """A line break in front; not in front of a structure that begins there."""
    opens = _OPENS.match(sample.completion) is not None
    return None if opens or not sample.completion.strip() else "\n" + sample.completion


def _closed(sample: Sample) -> bool:
    return not sample.completion.strip() or _CLOSES.search(sample.completion) is not None


def line_breaks(sample: Sample) -> str | None:
    """Sentences on lines of their own."""
    prose = prose_of(sample)
    return _made(prose, [(begin, end, "\n") for begin, end in _between(prose)])


def wide(sample: Sample) -> str | None:
    """Two spaces between sentences."""
    prose = prose_of(sample)
    return _made(prose, [(begin, end, "  ") for begin, end in _between(prose)])


def tabs(sample: Sample) -> str | None:
    """A tab between sentences."""
    prose = prose_of(sample)
    return _made(prose, [(begin, end, "\t") for begin, end in _between(prose)])


def indented(sample: Sample) -> str | None:
    """Lines of prose behind the first line indented by two spaces."""
    prose = prose_of(sample)
    begins = [one.marker for one in prose.sentences if one.first]
    begins = [at for at in begins if at > 0 and prose.text[at - 1] == "\n"]
    return _made(prose, [(at, at, "  ") for at in begins])


def carriage_returns(sample: Sample) -> str | None:
    """Lines of prose that end as on Windows."""
    prose = prose_of(sample)
    return _made(prose, [(at, at, "\r") for at in _line_ends(prose)])


def blank_lines(sample: Sample) -> str | None:
    """A blank line after each line of prose."""
    prose = prose_of(sample)
    return _made(prose, [(at, at, "\n") for at in _line_ends(prose)])


def _between(prose: Prose) -> Iterator[tuple[int, int]]:
    """The white space between sentences of one line."""
    for run in prose.runs():
        yield from ((one.end, other.begin) for one, other in pairwise(run))


def _line_ends(prose: Prose) -> Iterator[int]:
    """Where lines of prose end that another line of prose follows."""
    for one, other in pairwise(prose.sentences):
        if one.last and other.first and not prose.text[one.end : other.marker].strip():
            yield one.end


def _made(prose: Prose, edits: list[Edit]) -> str | None:
    return edited(prose.text, edits) if edits else None
