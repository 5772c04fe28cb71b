"""The GPU that `device=` chose: `device_ids=` chooses it on targets that have it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.version import Version

from vllm_migrate.edits.model import RenameArgument
from vllm_migrate.files.located import UNRESOLVED, Form

if TYPE_CHECKING:
    from vllm_migrate.edits.model import Edit
    from vllm_migrate.files.located import Argument
    from vllm_migrate.rules.base import Context

_SINCE = Version("0.24.0")  # EngineArgs.device_ids, indices into the visible GPUs
_NAMED = re.compile(r"cuda:(\d+)")
_PLAIN = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*")  # read twice, so nothing that is computed

PRECONDITION = "the device is a GPU or the platform's own, and the engine is built without Ray"


def chosen_gpu(argument: Argument, context: Context) -> tuple[Edit, ...]:
    """The edit that keeps an engine on its GPU; none where the target or the value doesn't allow it.

    `"cuda:1"` becomes `device_ids=[1]`; of a name or attribute, whose value is a device or its text, the
    number is read when the code runs, and without one the engine chooses, as V0 did.
    """
    if argument.name != "device" or argument.fixed or context.target.version < _SINCE:
        return ()
    if argument.form not in (Form.KEYWORD, Form.DICT):
        return ()
    source = argument.value.source.strip()
    literal = argument.value.literal
    if isinstance(literal, str):
        named = _NAMED.fullmatch(literal)
        return (RenameArgument(argument.span, "device_ids", f"[{named[1]}]"),) if named else ()
    if literal is not UNRESOLVED or not _PLAIN.fullmatch(source):
        return ()
    number = f'[int(str({source}).partition(":")[2])] if ":" in str({source}) else None'
    return (RenameArgument(argument.span, "device_ids", number),)
