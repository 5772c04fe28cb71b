"""The quick dataclass against the standard library's."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import pytest

from vllm_migrate import values


def _both(body: dict[str, Any]) -> list[type]:
    """The same class by either decorator."""
    made = []
    for decorator in (values.dataclass, dataclasses.dataclass):
        plain = type("Point", (), {**body, "__doc__": "A point.", "__qualname__": "Point"})
        made.append(decorator(frozen=True, slots=True)(plain))
    return made


TWO = {"__annotations__": {"x": int, "y": tuple}, "y": ()}
ONE = {"__annotations__": {"names": frozenset}, "names": dataclasses.field(default_factory=frozenset)}


@pytest.mark.parametrize("cls", _both(TWO))
def test_equal_values_are_equal_and_have_equal_hashes(cls: Any) -> None:
    assert cls(1, (2,)) == cls(x=1, y=(2,))
    assert len({cls(1), cls(1, ()), cls(2)}) == 2
    assert cls(1) != cls(2)
    assert cls(1) != (1, ())
    assert cls(1).__eq__((1, ())) is NotImplemented


@pytest.mark.parametrize("cls", _both(ONE))
def test_one_field_and_a_default_that_is_made(cls: Any) -> None:
    assert cls() == cls(frozenset())
    assert cls(frozenset("a")) != cls()
    assert len({cls(), cls(), cls(frozenset("a"))}) == 2


@pytest.mark.parametrize("body", [ONE, TWO])
def test_shown_described_and_replaced_alike(body: dict[str, Any]) -> None:
    quick, real = _both(body)
    argument = frozenset("a") if body is ONE else "it's"
    assert repr(quick(argument)) == repr(real(argument))
    assert inspect.signature(quick) == inspect.signature(real)
    assert [f.name for f in dataclasses.fields(quick)] == [f.name for f in dataclasses.fields(real)]
    assert quick.__match_args__ == real.__match_args__
    assert quick.__slots__ == real.__slots__
    assert not hasattr(quick(argument), "__dict__")
    name = quick.__match_args__[0]
    assert dataclasses.replace(quick(argument), **{name: argument}) == quick(argument)


def test_a_representation_of_its_own_stays() -> None:
    quick, _ = _both({**TWO, "__repr__": lambda self: f"<{self.x}>"})
    assert repr(quick(3)) == "<3>"


def test_unhashable_fields_are_told() -> None:
    for cls in _both(TWO):
        with pytest.raises(TypeError, match="unhashable"):
            hash(cls(1, []))


def test_only_for_values() -> None:
    with pytest.raises(TypeError, match="take dataclasses"):
        values.dataclass(frozen=False, slots=True)
