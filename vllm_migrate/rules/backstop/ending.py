"""Whether a walk into an asynchronous engine is there to shut its executor down."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.rules.finding import one_line

if TYPE_CHECKING:
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Chain
    from vllm_migrate.rules.base import Context

_ASYNC = "vllm.AsyncLLMEngine"
_BOUND = re.compile(rb"(\w+)\s*:?=\s*getattr\(\s*\Z")
_EXECUTOR = re.compile(rb"\s*,\s*[\"']model_executor[\"']")
_NEXT_FUNCTION = re.compile(rb"\n[ \t]*(?:async[ \t]+)?def\s")


def instead_of_ending(file: FileFacts, chain: Chain, context: Context) -> str:
    """The advice where all that is asked of the executor is its end; "" for any other walk.

    The engine ends its executor itself, with its process: a method sent to the workers wouldn't.
    """
    if chain.owner != _ASYNC or chain.attributes[0] != "engine":
        return ""
    if "shutdown" not in context.api.surface.methods(_ASYNC):
        return ""
    if not (_is_called(chain) or _is_called_by_name(file, chain)):
        return ""
    return f"{one_line(chain.root)}.shutdown(), which ends the engine's process and the executor in it"


def _is_called(chain: Chain) -> bool:
    """`engine.engine.model_executor.shutdown()`."""
    called = [call.method for call in chain.method_calls]
    return chain.attributes[1:] == ("model_executor",) and called == ["shutdown"] and not chain.escapes


def _is_called_by_name(file: FileFacts, chain: Chain) -> bool:
    """`one = getattr(engine.engine, "model_executor", None)`, and below it only `one.shutdown()`."""
    bound = _BOUND.search(file.source[: chain.span.start])
    if bound is None or _EXECUTOR.match(file.source, chain.span.end) is None:
        return False
    following = _NEXT_FUNCTION.search(file.source, chain.span.end)
    rest = file.source[chain.span.end : following.start() if following else None]
    called = re.findall(rb"\b" + bound[1] + rb"\.(\w+)", rest)
    return bool(called) and set(called) == {b"shutdown"}
