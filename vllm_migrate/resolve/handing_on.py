"""Settings written for an engine that is built elsewhere: an actor hands its keywords on through `**`."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from vllm_migrate.resolve.syntax import last_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.resolve.syntax import Syntax

RESTORED = {"seed", "enable_prefix_caching", "logprobs_mode", "async_scheduling"}
_TELLING = {
    "async_scheduling",
    "distributed_executor_backend",
    "enable_prefix_caching",
    "enable_sleep_mode",
    "enforce_eager",
    "gpu_memory_utilization",
    "logprobs_mode",
    "max_num_seqs",
    "tensor_parallel_size",
    "worker_cls",
    "worker_extension_cls",
}
_BUILDERS = ("LLM", "EngineArgs", "AsyncEngineArgs")
_HOLDER = re.compile(r"(?:engine|llm)_?(?:kw)?args$")


def passed_on(syntax: Syntax) -> frozenset[str]:
    """Settings whose default changed that a file writes for an engine it does not build by that call.

    They count where a name of an engine's stands beside them (a seed alone may be anybody's), or where the
    dictionary is called `engine_kwargs`, `vllm_args` and the like.
    """
    return frozenset().union(*(names & RESTORED for names in _groups(syntax)))


def _groups(syntax: Syntax) -> Iterator[set[str]]:
    """The names of keywords or entries that are written together for an engine."""
    for call in syntax.all(ast.Call):
        name = last_name(call.func)
        names = {keyword.arg for keyword in call.keywords if keyword.arg}
        if name not in _BUILDERS and names & _TELLING:
            yield names
    for entries in syntax.all(ast.Dict):
        names = {str(key.value) for key in entries.keys if isinstance(key, ast.Constant)}
        parent = syntax.parents[entries]
        held = isinstance(parent, ast.Assign) and _HOLDER.search(ast.unparse(parent.targets[0]))
        if names & _TELLING or (held and names & RESTORED):
            yield names
    for entry in syntax.all(ast.Subscript):
        if isinstance(entry.ctx, ast.Store) and isinstance(entry.slice, ast.Constant):
            name = str(entry.slice.value)
            if name in _TELLING:
                yield {name}
