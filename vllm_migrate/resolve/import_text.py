"""The imports of a module as its text shows them, for files that need not be parsed.

What stands in a string reads like the statement it quotes, so that this may name more than a file imports.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# An import at the start of a line, or behind `;` or `:` or a byte order mark.
_IMPORT = re.compile(
    rb"(?:[^\n]*?(?:[;:\r]|\xef\xbb\xbf))??[ \t]*"
    rb"(?:from[ \t]+([\w.]+)[ \t]+import[ \t]*(\([^)]*\)|(?:\\\r?\n|[^\n#;])*)|import[ \t]+([^\n#;]+))"
)
_NAME = re.compile(rb"(\w+|\*)(?:\s+as\s+\w+)?")
_KEPT = 10_000  # files; as many as large projects have


@lru_cache(maxsize=_KEPT)
def import_statements(source: bytes) -> tuple[tuple[str, list[str]], ...]:
    """What imports take: a module with its dots and the names from it, or "" and modules as wholes.

    Several ask this of the same files.
    """
    return tuple(_statements(source))


def _statements(source: bytes) -> Iterator[tuple[str, list[str]]]:
    # Patterns are tried only on lines that have the word: most have not.
    done = 0
    at = source.find(b"import")
    while at >= 0:
        match = _IMPORT.match(source, max(done, source.rfind(b"\n", 0, at) + 1))
        done = match.end() if match is not None else at
        if match is not None and match[1]:
            yield (
                match[1].decode("utf-8", "replace"),
                [n.decode("utf-8", "replace") for n in _NAME.findall(match[2])],
            )
        elif match is not None:
            modules = match[3].decode("utf-8", "replace").split(",")
            yield "", [module.split(" as ")[0].strip() for module in modules]
        at = source.find(b"import", max(done, at + 1))


def absolute(module: str, package: str) -> str:
    """A module that is named with leading dots from within a package; others as they are."""
    level = len(module) - len(module.lstrip("."))
    if not level:
        return module
    parts = package.split(".") if package else []
    parts = parts[: len(parts) - (level - 1)] if level > 1 else parts
    rest = module.lstrip(".")
    return ".".join([*parts, rest] if rest else parts)


def modules_named(source: bytes, package: str) -> frozenset[str]:
    """The dotted names that imports may be of modules: `from a import b` takes a.b where that is one."""
    found: set[str] = set()
    for origin, names in import_statements(source):
        if origin:
            module = absolute(origin, package)
            found.add(module)
            found.update(f"{module}.{name}" for name in names)
        else:
            found.update(names)
    return frozenset(found)
