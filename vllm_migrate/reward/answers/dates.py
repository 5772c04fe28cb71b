"""Dates as answers: 2024-03-12 is 12 March 2024, and no subtraction."""

from __future__ import annotations

import re
from datetime import date

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAME = (
    r"(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY = r"(\d{1,2})(?:st|nd|rd|th|\.)?"
_ISO = re.compile(r"(\d{4})([-/])(\d{1,2})\2(\d{1,2})")
_DAY_FIRST = re.compile(rf"{_DAY} (?:of )?{_NAME},? (\d{{4}})", re.IGNORECASE)
_MONTH_FIRST = re.compile(rf"{_NAME} {_DAY},? (\d{{4}})", re.IGNORECASE)


def read_date(text: str) -> str | None:
    """A date as ISO 8601 has it; None where the text is none.

    Numbers alone are read year first only: 03/04/2024 is another day in another country.
    """
    iso = _ISO.fullmatch(text)
    if iso is not None:
        return _written(int(iso[1]), int(iso[3]), int(iso[4]))
    words = _DAY_FIRST.fullmatch(text)
    if words is not None:
        return _written(int(words[3]), _month(words[2]), int(words[1]))
    words = _MONTH_FIRST.fullmatch(text)
    return _written(int(words[3]), _month(words[1]), int(words[2])) if words is not None else None


def _month(name: str) -> int:
    return _MONTHS.index(name[:3].lower()) + 1


def _written(year: int, month: int, day: int) -> str | None:
    try:
        return date(year, month, day).isoformat()
    except ValueError:  # no such day
        return None
