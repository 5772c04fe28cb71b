"""Numbers as every report writes them: plain text, three significant digits, forms that can be pasted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vllm_migrate.statistics.verdict import Estimate

_SMALLEST_POWER = -4  # below 0.0001 a number is written with an exponent
_MINUTE = 60


def number(value: float, digits: int = 3) -> str:
    """`value` with `digits` significant digits, in a form that can be pasted into code."""
    if not math.isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    mantissa, power = f"{value:.{digits - 1}e}".split("e")
    exponent = int(power)
    if _SMALLEST_POWER <= exponent < digits + 2:
        return f"{value:.{max(0, digits - 1 - exponent)}f}"
    return f"{mantissa}e{exponent}"


def given(value: float) -> str:
    """A figure that was chosen, not measured, such as a clip range: without trailing zeros."""
    return f"{value:.6g}"


def limit(value: float, unit: str = "") -> str:
    """A margin: chosen, or a multiple of a measured noise floor; three digits, without trailing zeros."""
    return f"{value * 100:.3g}%" if unit == "share" else f"{value:.3g}"


def percent(share: float) -> str:
    """A share as a percentage with three significant digits; 1 is "100%"."""
    if not math.isfinite(share):
        return number(share)
    if share == 1:
        return "100%"
    return number(share * 100) + "%"


def count(value: int) -> str:
    """A whole number with separators."""
    return f"{value:,}"


def plural(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def seconds(value: float) -> str:
    """A duration: "0.42 s", "12.3 s", "3 min 05 s"."""
    if value < _MINUTE or not math.isfinite(value):
        return f"{number(value)} s"
    minutes, rest = divmod(round(value), _MINUTE)
    return f"{minutes} min {rest:02d} s"


def in_unit(value: float, unit: str, digits: int = 3) -> str:
    """`value` as its unit is written: "share" as a percentage, anything else as a number."""
    return percent(value) if unit == "share" else number(value, digits)


def interval(low: float | None, high: float | None, unit: str = "") -> str:
    """`[low, high]`, or an empty string where there is no interval."""
    if low is None or high is None:
        return ""
    return f"[{in_unit(low, unit)}, {in_unit(high, unit)}]"


def estimated(value: Estimate, unit: str = "", digits: int = 3) -> str:
    """A figure and its interval in one line: `0.0163 [0.0160, 0.0167]`."""
    return f"{in_unit(value.value, unit, digits)} {interval(value.low, value.high, unit)}".rstrip()
