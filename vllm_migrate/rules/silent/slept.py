"""Whether an engine sleeps before its weights change, which empties its prefix cache.

`sleep()` of level 1 and above clears the cache: `EngineCore.sleep` in vllm/v1/engine/core.py.
"""

from __future__ import annotations

import ast
import re
from enum import Enum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from vllm_migrate.files.python import parse_text
from vllm_migrate.resolve.syntax import FUNCTIONS, last_name
from vllm_migrate.resolve.usage import SYNC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.files.located import Call
    from vllm_migrate.rules.base import Context

_UPDATES = re.compile(rb"\.(?:_?load_weights|_?update_\w+|sync_\w+|broadcast_\w+|_?move_model_to_vllm)\(")
_CAN_SLEEP = re.compile(rb"\benable_sleep_mode[\"']?\s*[=:]\s*True\b")
_DRAWS = re.compile(r"generat|rollout|sampl|eval|chat")
SLEEP_EMPTIES = "; sleep() empties it, if the engine sleeps before every update"


class Slept(Enum):
    """What is known of an engine between what it drew last and an update of its weights."""

    NO = 0
    MAYBE = 1  # it can sleep, and somebody wakes it, but whether before every update can't be seen
    YES = 2


def slept_before_updates(call: Call, context: Context) -> Slept:
    """What is known of the engine that a call builds.

    What changes weights wakes an engine first, in the same function: that engine slept, and is the one that
    can.
    """
    able = call.argument("enable_sleep_mode")
    if able is None or able.value.literal is not True or context.mentions is None:
        return Slept.NO
    sources = [source for _, source in context.mentions.code(b"wake_up", PurePosixPath())]
    if any(_wakes_to_update(source) for source in sources):
        return Slept.YES
    return Slept.MAYBE if sources else Slept.NO


def may_sleep_before_updates(context: Context) -> bool:
    """Whether an engine of the project can sleep and somebody wakes it."""
    mentions = context.mentions
    return (
        mentions is not None
        and mentions.matches(_CAN_SLEEP, b"enable_sleep_mode")
        and mentions.any_of("wake_up")
    )


def _wakes_to_update(source: bytes) -> bool:
    """Whether a function wakes an engine, not itself, and changes weights after it."""
    if _UPDATES.search(source) is None:
        return False
    try:
        tree = parse_text(source)
    except (SyntaxError, ValueError, RecursionError):
        return False
    return any(_wakes_first(list(_calls(node))) for node in ast.walk(tree) if isinstance(node, FUNCTIONS))


def _wakes_first(calls: list[ast.Call]) -> bool:
    """Whether weights change behind a `wake_up()` of another object, with nothing drawn between the two."""
    woken = [call.lineno for call in calls if _method(call) == "wake_up" and not _is_own(call)]
    return any(
        woke < update.lineno
        and not any(woke < call.lineno < update.lineno and _draws(call) for call in calls)
        for update in calls
        if SYNC.match(_method(update))
        for woke in woken
    )


def _method(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _is_own(call: ast.Call) -> bool:
    """`self.wake_up()`, of which another function knows what it wakes."""
    return isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name)


def _draws(call: ast.Call) -> bool:
    return _DRAWS.search(last_name(call.func)) is not None


def _calls(function: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(function) if isinstance(node, ast.Call))
