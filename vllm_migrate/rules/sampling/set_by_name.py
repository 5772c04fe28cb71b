"""Whether a dictionary of settings takes others than it is written with: what stands in it is a default."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.located import Form

if TYPE_CHECKING:
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Argument

# Not a key alone: `options = {`, `self.options: dict = dict(`.
_LONGEST = 4096  # bytes between the name of a dictionary and one of its keys
_OPENS = re.compile(rb"([\w.]+)[ \t]*(?::[^=\n]+)?=[ \t]*(?:dict[ \t]*\(|\{)")


def is_set_by_name(file: FileFacts, argument: Argument) -> bool:
    """Whether the dictionary that an argument stands in is also written by keys that only running shows.

    `params[key] = value`, `params.update(request)`: who runs it may set what the code does not.
    """
    if file.kind is not FileKind.PYTHON or argument.form is not Form.DICT:
        return False
    opened = list(_OPENS.finditer(file.source, max(0, argument.span.start - _LONGEST), argument.span.start))
    if not opened:
        return False
    name = re.escape(opened[-1][1])
    written = (
        rb"(?<![\w.])%s(?:\[[A-Za-z_][\w.]*\][ \t]*=(?!=)|\.update\([ \t]*\*{0,2}[A-Za-z_][\w.]*[ \t]*\))"
    )
    return re.search(written % name, file.source) is not None
