"""Which of a project's files import another of its files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import PurePosixPath

_IMPORT = re.compile(
    rb"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]*(\([^)]*\)|[^\n]*)|import[ \t]+([\w., \t]+))",
    re.MULTILINE,
)
_NAME = re.compile(rb"\w+")
_COMMENT = re.compile(rb"#[^\n]*")
_AS = re.compile(rb"\bas[ \t]+\w+")


def module_of(path: PurePosixPath) -> tuple[str, ...]:
    """The parts of a file's module from the project's root on; those of a package for its `__init__`."""
    parts = path.with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def imports(source: bytes, own: PurePosixPath, module: tuple[str, ...]) -> bool:
    """Whether a file imports a module of the same project, or something of it.

    A project's root need not be where Python looks: `import a.b` is taken for every module that ends so. A
    single name has to stand beside who imports it, or at the root.

    Args:
        source: the importing file's bytes.
        own: its path.
        module: what is looked for, see `module_of`.
    """
    return any(_means(relative, wanted, own, module) for relative, wanted in _imported(source, own))


def imported(source: bytes, own: PurePosixPath, others: Iterable[PurePosixPath]) -> Iterator[PurePosixPath]:
    """Those of a project's files that a file imports, as `imports` tells them."""
    wanted = list(_imported(source, own))
    for other in others:
        module = module_of(other)
        if other != own and module and any(_means(near, parts, own, module) for near, parts in wanted):
            yield other


def _means(relative: bool, wanted: tuple[str, ...], own: PurePosixPath, module: tuple[str, ...]) -> bool:
    if relative:
        return wanted == module
    if module[-len(wanted) :] != wanted:
        return False
    return len(wanted) > 1 or len(module) == 1 or module[:-1] == own.parent.parts


def _imported(source: bytes, own: PurePosixPath) -> Iterator[tuple[bool, tuple[str, ...]]]:
    """What may be modules: whether by its place, then its parts."""
    for match in _IMPORT.finditer(source):
        base, names, plain = match.groups()
        if base is None:
            for one in plain.split(b","):
                words = one.split()
                if words:
                    yield False, tuple(words[0].decode().split("."))
            continue
        text = base.decode()
        dots = len(text) - len(text.lstrip("."))
        parts = tuple(part for part in text.split(".") if part)
        if dots:
            above = own.parent.parts
            parts = (*above[: len(above) - dots + 1], *parts)
        if parts:
            yield bool(dots), parts
        for name in _NAME.findall(_AS.sub(b"", _COMMENT.sub(b"", names))):
            yield bool(dots), (*parts, name.decode())
