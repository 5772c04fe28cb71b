"""Copies of a module for another release that stand beside it, and that nothing names: left behind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import PurePosixPath

_COPY = re.compile(
    r"(?i)^(?P<of>\w*?[a-z])_?(?:v?0\d*(?:_\d+)*|v?\d+(?:_\d+)+|old|legacy|backup|bak|deprecated|orig|original|copy|unused)$"
)
_MAIN = b"__main__"


def left_behind(
    candidates: Iterable[PurePosixPath], sources: Mapping[PurePosixPath, bytes]
) -> frozenset[PurePosixPath]:
    """The candidates that are copies nobody uses: `engine_07.py` beside `engine.py`.

    A copy counts as used where its name stands in any other file, whatever its kind, and where it asks for
    `__main__`: then somebody may start it. A single number (`model_v2.py`) is no old release: that may be the
    name of what is in it, which a registry finds by itself.

    Args:
        candidates: Python files in which something could be found.
        sources: all files of the project.
    """
    found = set()
    for path in candidates:
        copied = _COPY.match(path.stem)
        if copied is None or path.with_name(f"{copied['of']}.py") not in sources or _MAIN in sources[path]:
            continue
        name = path.stem.encode()
        if not any(name in source for other, source in sources.items() if other != path):
            found.add(path)
    return frozenset(found)
