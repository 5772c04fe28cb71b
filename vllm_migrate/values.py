"""Frozen dataclasses that are quick to define, for what every command loads.

The standard library writes and compiles the source of six methods for each frozen dataclass when its module
is imported: close to a millisecond a class, a tenth of a `check`. Here `__init__` alone is compiled and the
other methods are closures over the fields' names. All else is the standard library's own work: `fields`,
`replace`, `field`, slots and matching do what they always do; equal values are equal, have equal hashes and
are shown alike. Comparing is slower, so that what is sorted in a hot loop (`Span`) stays as it is.

That nobody assigns to a field is enforced by the type checker, not at run time: locking would cost two more
methods a class, and a call for every field of every instance.
"""

from __future__ import annotations

import dataclasses
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass as dataclass  # noqa: PLC0414 - type checkers see the real one
else:

    def dataclass(*, frozen: bool, slots: bool) -> Callable[[type], type]:
        """As `dataclasses.dataclass`, for classes that are both frozen and slotted."""
        if not (frozen and slots):
            raise TypeError("values are frozen and have slots; take dataclasses.dataclass for anything else")
        return _define


def _define(plain: type[Any]) -> type[Any]:
    cls: type[Any] = dataclasses.dataclass(slots=True, repr=False, eq=False)(plain)
    names = tuple(field.name for field in dataclasses.fields(cls))
    # A name that is asked for twice makes a tuple of a single field, too.
    values = attrgetter(*(names if len(names) > 1 else names * 2))

    def __eq__(self: Any, other: object) -> bool:  # noqa: N807 - becomes the method of that name
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    def __hash__(self: Any) -> int:  # noqa: N807 - same
        return hash(values(self))

    def __repr__(self: Any) -> str:  # noqa: N807 - same
        shown = (f"{name}={getattr(self, name)!r}" for name in names)
        return f"{self.__class__.__qualname__}({', '.join(shown)})"

    for method in (__eq__, __hash__, __repr__):
        if method is __hash__ or method.__name__ not in plain.__dict__:
            setattr(cls, method.__name__, method)
    return cls
