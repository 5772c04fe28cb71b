"""Runs a user's reward function; started as a script in a process of its own.

    python -I child.py <result descriptor>

The job comes as JSON on standard input, the answer leaves as JSON on the given descriptor: whatever the
function prints can't be mistaken for it. Standard library only, no import of this package: the process
holds nothing but the user's code.

Job: {"file", "function", "prompts", "completions", "completion_ids", "columns": {name: [...]}, "group",
"cpu_seconds", "memory_bytes", "file_bytes"}. Answer: a line {"at": [first, last]} before each call of the
function, then {"rewards": [...]} or {"error": {"text": index or null, "message": ...}}.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import json
import math
import os
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Refused(Exception):  # noqa: N818 - a refusal with a message, caught in this file
    """What the parent reports. `text` is the index of the completion it is about, None for all of them."""

    def __init__(self, message: str, text: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.text = text


def main() -> None:
    """Read the job, call the function, answer."""
    job = json.load(sys.stdin)
    with os.fdopen(int(sys.argv[1]), "w", encoding="utf-8") as answer:

        def send(message: dict[str, Any]) -> None:
            answer.write(json.dumps(message) + "\n")
            answer.flush()

        try:
            _limit(job)
            send({"rewards": _score(job, _load(job["file"], job["function"]), send)})
        except Refused as refused:
            send({"error": {"text": refused.text, "message": refused.message}})
        except MemoryError:
            send({"error": {"text": None, "message": "ran out of the memory it is allowed"}})


def _limit(job: dict[str, Any]) -> None:
    """Bound what a runaway function can take from the machine."""
    for kind, wanted in (
        (resource.RLIMIT_CPU, job["cpu_seconds"]),
        (resource.RLIMIT_AS, job["memory_bytes"]),
        (resource.RLIMIT_FSIZE, job["file_bytes"]),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        value = int(wanted) if hard == resource.RLIM_INFINITY else min(int(wanted), hard)
        resource.setrlimit(kind, (value, value))


def _load(file: str, name: str) -> Callable[..., Any]:
    spec = importlib.util.spec_from_file_location("reward_under_audit", file)
    if spec is None or spec.loader is None:
        raise Refused("is not in a Python file")
    sys.path.append(str(Path(file).resolve().parent))  # for modules beside it
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a user's code may raise anything
        raise Refused(f"can't be imported: {_describe(error)}") from None
    function = getattr(module, name, None)
    if not callable(function):
        raise Refused("is not defined in that file" if function is None else "is not a function")
    return function  # type: ignore[no-any-return]


def _score(
    job: dict[str, Any], function: Callable[..., Any], send: Callable[[dict[str, Any]], None]
) -> list[float]:
    """Rewards of all texts, called group by group as a trainer would."""
    total = len(job["completions"])
    step = max(1, int(job["group"]))
    rewards: list[float] = []
    for start in range(0, total, step):
        stop = min(start + step, total)
        send({"at": [start, stop - 1]})
        rewards += _call(job, function, start, stop)
    return rewards


def _call(job: dict[str, Any], function: Callable[..., Any], start: int, stop: int) -> list[float]:
    try:
        returned = _invoke(job, function, start, stop)
    except MemoryError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a user's code may raise anything
        text = start if stop - start == 1 else _first_that_raises(job, function, start, stop)
        raise Refused(f"raised {_describe(error)}", text) from None
    try:
        values = list(returned)
    except TypeError:
        raise Refused(f"returned {type(returned).__name__}, not a list of numbers", start) from None
    if len(values) != stop - start:
        raise Refused(f"returned {len(values)} rewards for {stop - start} completions", start)
    return [_number(value, start + offset) for offset, value in enumerate(values)]


def _invoke(job: dict[str, Any], function: Callable[..., Any], start: int, stop: int) -> Any:
    given = {name: values[start:stop] for name, values in job["columns"].items()}
    given["prompts"] = job["prompts"][start:stop]
    given["completions"] = job["completions"][start:stop]
    given["completion_ids"] = job["completion_ids"][start:stop]
    returned = function(**_accepted(function, given))
    return asyncio.run(_awaited(returned)) if inspect.isawaitable(returned) else returned


def _accepted(function: Callable[..., Any], given: dict[str, Any]) -> dict[str, Any]:
    """The arguments this function takes: all of them where it has `**kwargs`, as TRL asks for."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return given
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return given
    names = {parameter.name for parameter in parameters}
    return {name: value for name, value in given.items() if name in names}


async def _awaited(returned: Any) -> Any:
    return await returned


def _first_that_raises(
    job: dict[str, Any], function: Callable[..., Any], start: int, stop: int
) -> int | None:
    """The first text that raises when scored alone; None where only the group as a whole does."""
    for index in range(start, stop):
        try:
            _invoke(job, function, index, index + 1)
        except MemoryError:  # noqa: PERF203 - one call a turn, each may fail in its own way
            raise
        except (Exception, SystemExit):  # noqa: BLE001 - a user's code may raise anything
            return index
    return None


def _number(value: Any, text: int) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise Refused(f"returned {type(value).__name__}, not a number", text) from None
    if not math.isfinite(number):
        raise Refused(f"returned {number}", text)
    return number


def _describe(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


if __name__ == "__main__":
    main()
