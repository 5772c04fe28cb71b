"""Which calls of an engine find no request running, or can't be those of an asynchronous engine."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from vllm_migrate.rules.module import found_again

if TYPE_CHECKING:
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Call

_UNFINISHED = b"has_unfinished_requests"
_NEXT = re.compile(rb"(?:\s|#[^\n]*\n)*(?:await\s+)?")
_KEPT = re.compile(rb"^[ \t]*([A-Za-z_]\w*)[ \t]*=[ \t]*\Z", re.MULTILINE)
_ENDS = re.compile(rb"[ \t]*(?:#|\r?\n|\Z)")


def is_idle(file: FileFacts, call: Call) -> bool:
    """Whether a call stands in a branch that is taken where no request is running.

    That is `else:` of `if engine.has_unfinished_requests():`, or what stands under `if not ...`.
    """
    if _UNFINISHED not in file.source:
        return False
    again = found_again(file, call)
    if again is None:
        return False
    module, node = again
    within: ast.AST = node
    for above in module.around(node):
        if isinstance(above, ast.If) and within is not above.test:
            negated = isinstance(above.test, ast.UnaryOp) and isinstance(above.test.op, ast.Not)
            asked = above.test.operand if isinstance(above.test, ast.UnaryOp) else above.test
            if _asks_for_unfinished(asked) and (within in above.body) is negated:
                return True
        within = above
    return False


def _asks_for_unfinished(test: ast.expr) -> bool:
    return (
        isinstance(test, ast.Call)
        and isinstance(test.func, ast.Attribute)
        and test.func.attr == _UNFINISHED.decode()
    )


def sleeps_next(file: FileFacts, call: Call) -> bool:
    """Whether the engine is put to sleep right after a call: that ends its requests and empties its cache."""
    return any(
        other.target == f"{call.target.rpartition('.')[0]}.sleep"
        and other.receiver == call.receiver
        and other.argument("mode") is None
        and not other.open_ended
        and call.span.end <= other.span.start
        and _NEXT.fullmatch(file.source, call.span.end, other.span.start)
        for other in file.calls
    )


def is_used_without_await(file: FileFacts, call: Call) -> bool:
    """Whether a name keeps what a call gives, and nobody awaits it: a synchronous engine's result.

    An asynchronous engine gives a coroutine there, which does nothing before it is awaited; where the code
    builds either kind of engine, such a line works with the synchronous one only.
    """
    line = file.source.rfind(b"\n", 0, call.span.start) + 1
    kept = _KEPT.search(file.source, line, call.span.start)
    if kept is None or not _ENDS.match(file.source, call.span.end):
        return False
    awaits = rb"await\s+|return\s+|yield\s+|(?:gather|wait|wait_for|create_task|ensure_future|run)\(\s*"
    awaited = re.compile(rb"\b(?:%s)%s\b" % (awaits, re.escape(kept.group(1))))
    return not awaited.search(file.source, call.span.end)
