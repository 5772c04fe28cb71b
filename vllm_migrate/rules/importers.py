"""Which of a project's files import another of its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.resolve.import_text import import_statements

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import PurePosixPath

    Named = tuple[bool, tuple[str, ...]]
    """What may be a module: whether its place is meant, from the project's root on; then its parts."""


def module_of(path: PurePosixPath) -> tuple[str, ...]:
    """The parts of a file's module from the project's root on; those of a package for its `__init__`."""
    parts = path.with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def imports(named: frozenset[Named], own: PurePosixPath, module: tuple[str, ...]) -> bool:
    """Whether a file imports a module of the same project, or something of it.

    A project's root need not be where Python looks: `import a.b` is taken for every module that ends so. A
    single name has to stand beside who imports it, or at the root.

    Args:
        named: what the importing file names, see `named_in`.
        own: its path.
        module: what is looked for, see `module_of`.
    """
    if (True, module) in named:
        return True
    least = 1 if len(module) == 1 or module[:-1] == own.parent.parts else 2
    return any((False, module[-count:]) in named for count in range(least, len(module) + 1))


def named_in(source: bytes, own: PurePosixPath) -> frozenset[Named]:
    """What a file's imports name that may be modules."""
    return frozenset(_named(source, own))


def _named(source: bytes, own: PurePosixPath) -> Iterator[Named]:
    for origin, names in import_statements(source):
        if not origin:
            yield from ((False, tuple(name.split("."))) for name in names)
            continue
        dots = len(origin) - len(origin.lstrip("."))
        parts = tuple(filter(None, origin.split(".")))
        if dots:
            above = own.parent.parts
            parts = (*above[: len(above) - dots + 1], *parts)
        if parts:
            yield bool(dots), parts
        yield from ((bool(dots), (*parts, name)) for name in names)
