"""Text and figures as they stand on the HTML page.

Everything that comes from a result passes through `text` or `visible`: what would hide or reorder what is
read is shown (see `report/shown.py`), and the five characters HTML gives a meaning to are escaped.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from vllm_migrate.report.numbers import in_unit, interval
from vllm_migrate.report.shown import LONGEST, shown

if TYPE_CHECKING:
    from vllm_migrate.audit.result import Estimate


def text(value: object, *, longest: int = LONGEST) -> str:
    """Running text: escaped, line feeds kept, hidden characters shown, cut after `longest` characters."""
    return html.escape(shown(value, kept="\n", longest=longest), quote=True)


def phrase(value: object) -> str:
    """As `text`, for words of ours: a formula in bars is not broken between lines."""
    return text(value).replace("|Δlogp|", '<span class="nobr">|Δlogp|</span>')


def visible(value: object, *, longest: int = 120) -> str:
    r"""A literal, such as a token: as `text`, but line feeds and tabs are shown as `\n` and `\t`."""
    return html.escape(shown(value, longest=longest), quote=True)


def estimate(value: Estimate, unit: str = "", digits: int = 3) -> str:
    """A figure and, in small type, its interval."""
    bounds = interval(value.low, value.high, unit)
    small = f' <span class="ci">{bounds}</span>' if bounds else ""
    return f'<span class="num">{in_unit(value.value, unit, digits)}</span>{small}'
