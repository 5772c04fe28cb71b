"""What a callable takes. To import `inspect` costs half an interpreter's start: most do without."""

from __future__ import annotations

from types import FunctionType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ARGS, _KWARGS = 0x04, 0x08  # CO_VARARGS and CO_VARKEYWORDS of inspect


class Parameter:
    """One of a callable.

    Attributes:
        name: of it.
        positional: it can be given by its place.
        keyword: it can be given by its name.
        required: it has no default.
        rest: "args" or "kwargs" where it takes whatever is left, else "".
    """

    __slots__ = ("keyword", "name", "positional", "required", "rest")

    def __init__(self, name: str, *, positional: bool, keyword: bool, required: bool, rest: str = "") -> None:
        self.name = name
        self.positional = positional
        self.keyword = keyword
        self.required = required
        self.rest = rest


def parameters_of(function: Any) -> list[Parameter] | None:
    """The parameters, None where nobody can know them."""
    if type(function) is FunctionType and not vars(function):
        return _of_plain(function)
    import inspect  # noqa: PLC0415 - see above

    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    rests: dict[object, str] = {
        inspect.Parameter.VAR_POSITIONAL: "args",
        inspect.Parameter.VAR_KEYWORD: "kwargs",
    }
    return [
        Parameter(
            one.name,
            positional=one.kind in {one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD},
            keyword=one.kind in {one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY},
            required=one.default is one.empty and one.kind not in rests,
            rest=rests.get(one.kind, ""),
        )
        for one in found
    ]


def _of_plain(function: FunctionType) -> list[Parameter]:
    code = function.__code__
    by_place, by_name = code.co_argcount, code.co_kwonlyargcount
    only_by_place = code.co_posonlyargcount
    names = code.co_varnames
    first_default = by_place - len(function.__defaults__ or ())
    found = [
        Parameter(name, positional=True, keyword=at >= only_by_place, required=at < first_default)
        for at, name in enumerate(names[:by_place])
    ]
    at = by_place + by_name
    if code.co_flags & _ARGS:
        found.append(Parameter(names[at], positional=False, keyword=False, required=False, rest="args"))
        at += 1
    defaults = function.__kwdefaults__ or {}
    found += [
        Parameter(name, positional=False, keyword=True, required=name not in defaults)
        for name in names[by_place : by_place + by_name]
    ]
    if code.co_flags & _KWARGS:
        found.append(Parameter(names[at], positional=False, keyword=False, required=False, rest="kwargs"))
    return found


def takes(parameters: list[Parameter], count: int) -> bool:
    """Whether it can be called with so many arguments by their places."""
    places = [one for one in parameters if one.positional]
    many = any(one.rest == "args" for one in parameters)
    missing = [one for one in parameters if one.required and not one.positional]
    return not missing and sum(one.required for one in places) <= count and (many or count <= len(places))
