"""What a reward returned, as numbers: anything else is a fault, in words."""

from __future__ import annotations

import math
from array import array

from .loaded import described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TOO_LARGE = 27  # EFBIG
MEMORY = "ran out of the memory it is allowed"


def rewards(returned: Any, count: int, *, sums: bool) -> array[float] | list[float | str | None]:
    """One entry a text from what a function of several texts returned: a reward, None, or a fault.

    Args:
        returned: anything.
        count: texts that it was asked about.
        sums: NaN is no fault, since it is left out of a sum.

    Returns:
        An array where there are numbers only, which is the usual case and has to be quick.
    """
    if type(returned) is list and len(returned) == count:
        numbers = _numbers(returned)
        if numbers is not None and math.isfinite(sum(numbers)):
            return numbers
    if isinstance(returned, (str, bytes, dict, set, frozenset)) or not hasattr(returned, "__iter__"):
        return [f"returned {_kind(returned)}, not a list of numbers"] * count
    try:
        values = list(returned)
    except MemoryError:
        return [MEMORY] * count
    except BaseException as error:  # noqa: BLE001 - a generator's code, or a tensor without dimensions
        if isinstance(error, TypeError):
            return [f"returned {_kind(returned)}, not a list of numbers"] * count
        return [raised(error)] * count
    if len(values) != count:
        return [f"returned {len(values)} rewards for {count} completions"] * count
    return [reward(value, sums=sums, may_abstain=True) for value in values]


def _numbers(values: list[Any]) -> array[float] | None:
    try:
        return array("d", values)
    except BaseException:  # noqa: BLE001 - a user's __float__ may raise anything
        return None


def reward(value: Any, *, sums: bool, may_abstain: bool) -> float | str | None:
    """A reward, None for an abstention, or a fault."""
    if type(value) is float:
        number = value
    elif value is None and may_abstain:
        return None
    elif isinstance(value, (str, bytes)):
        return f"returned {_kind(value)}, not a number"
    elif isinstance(value, dict):
        if "score" not in value:
            return "returned dict without 'score', not a number"
        return reward(value["score"], sums=sums, may_abstain=may_abstain)
    else:
        try:
            number = float(value)
        except OverflowError:
            return f"returned {_kind(value)} that is too large for a floating point number"
        except BaseException:  # noqa: BLE001 - a user's __float__ may raise anything
            return f"returned {_kind(value)}, not a number"
    if math.isfinite(number):
        return number
    if sums and number != number:  # noqa: PLR0124 - NaN
        return None
    return f"returned {number}"


def raised(error: BaseException) -> str:
    """An exception as a fault."""
    if isinstance(error, MemoryError):
        return MEMORY
    if isinstance(error, OSError) and error.errno == _TOO_LARGE:
        return "wrote a file beyond the file size it is allowed"
    return f"raised {described(error)}"


def _kind(value: Any) -> str:
    return type(value).__name__
