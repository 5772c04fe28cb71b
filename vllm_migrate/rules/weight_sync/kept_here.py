"""Whether an engine stays in the process of the code at hand, as far as the project shows."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from vllm_migrate.files.located import UNRESOLVED
from vllm_migrate.rules.engines import engine_calls

if TYPE_CHECKING:
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Call
    from vllm_migrate.files.use import Use

_ONE = (1, "1")


def is_kept_here(file: FileFacts, project: Use) -> bool:
    """Whether the engine that a file uses is in the file's own process.

    A variable counts for all engines of a project. `external_launcher` is an argument of one engine: it
    counts for the file that gives it, and for files of the same top-level folder that use an engine without
    building one whose arguments are seen.
    """
    if file.use.engine_in_process or project.in_process_by_variable:
        return True
    return not any(not call.open_ended for call in engine_calls(file)) and is_launched_near(file, project)


def is_spread(call: Call) -> bool:
    """Whether an engine is given more than one GPU.

    Its workers are then in processes of their own, whatever the engine's own is (`MultiprocExecutor`), but
    with `external_launcher`.
    """
    return any(size is not UNRESOLVED and size not in _ONE for size in _sizes(call))


def may_be_spread(call: Call) -> bool:
    """Whether an engine is given as many GPUs as can't be seen."""
    return UNRESOLVED in _sizes(call)


def _sizes(call: Call) -> list[object]:
    given = (call.argument("tensor_parallel_size"), call.argument("pipeline_parallel_size"))
    return [argument.value.literal for argument in given if argument is not None]


def is_launched_near(file: FileFacts, project: Use) -> bool:
    """Whether an engine of the same top-level folder is in the process of who builds it."""
    return any(_are_together(file.path, PurePosixPath(path)) for path in project.launched)


def _are_together(one: PurePosixPath, other: PurePosixPath) -> bool:
    """Whether two files lie in one of the root's folders, or one in the root itself."""
    return len(one.parts) == 1 or len(other.parts) == 1 or one.parts[0] == other.parts[0]
