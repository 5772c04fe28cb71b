"""What following an expression through a project can end at: plain values with their places."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import ast
    from collections.abc import Mapping
    from pathlib import PurePosixPath

    from vllm_migrate.files.yaml_tree import YamlNode
    from vllm_migrate.resolve.flow.program import Module


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line of a file, from 1."""

    path: PurePosixPath
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value that is written somewhere: a number, a text, a list.

    Attributes:
        value: the value itself.
        place: where it is written.
        assumed: what was taken for granted on the way, one line each.
    """

    value: object
    place: Place
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something that only running the code tells.

    Attributes:
        why: what stands in the way, for a message: "no call of build() was found".
        place: where the trail ends.
        trail: the names that lead on from there, `("config", "rollout", "seed")`.
    """

    why: str
    place: Place
    trail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that is followed when somebody asks; `assumed` is then taken for granted."""

    module: Module
    node: ast.expr
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping, or an object with fields.

    Attributes:
        entries: by key, all that may stand there.
        place: where it is made.
        open: it may hold more than `entries`.
        assumed: what was taken for granted on the way.
        yaml: the node of the YAML file at `place` it was loaded from.
    """

    entries: Mapping[str, tuple[Held, ...]]
    place: Place
    open: bool = False
    assumed: tuple[str, ...] = ()
    yaml: YamlNode | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """A function or class of the project."""

    module: Module
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

    @property
    def place(self) -> Place:
        """Where it is defined."""
        return Place(self.module.path, self.node.lineno)


@dataclass(frozen=True, slots=True)
class Several:
    """The elements of a tuple that a call returns."""

    elements: tuple[tuple[Value, ...], ...]
    place: Place
    assumed: tuple[str, ...] = field(default=())


def assuming(value: Value, said: tuple[str, ...]) -> Value:
    """The value, with more that was taken for granted."""
    if said and isinstance(value, (Scalar, Table)):
        return replace(value, assumed=tuple(dict.fromkeys((*said, *value.assumed))))
    return value


Value: TypeAlias = Scalar | Table | Definition | Several | Unknown
Held: TypeAlias = Scalar | Table | Definition | Several | Unknown | Expression
