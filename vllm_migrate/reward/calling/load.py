"""Calls a reward function of the user's in a process of its own, and takes nothing it says on trust."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vllm_migrate.errors import RewardError, UsageError
from vllm_migrate.reward.calling import child

if TYPE_CHECKING:
    from collections.abc import Sequence

WALL_SECONDS = 120.0
CPU_SECONDS = 120
MEMORY_BYTES = 16 << 30  # address space; frameworks reserve far more of it than they use
FILE_BYTES = 64 << 20
_ANSWER_BYTES = 256 << 20
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "VIRTUAL_ENV")  # no tokens, no keys


@dataclass(frozen=True, slots=True)
class RewardFunction:
    """A function named by the user as `file.py:function`.

    Attributes:
        file: None where a module is named.
        name: of the function in it, dotted where it is inside a class.
        module: dotted name, "" where a file is named.
        weight: in the sum, where there are several.
    """

    file: Path | None
    name: str
    module: str = ""
    weight: float = 1.0

    def __str__(self) -> str:
        return f"{self.file or self.module}:{self.name}"

    @property
    def short(self) -> str:
        """Without the file's directory."""
        return f"{self.file.name if self.file else self.module}:{self.name}"


def parse_reward(text: str) -> RewardFunction:
    """`file.py:function` as a `RewardFunction`.

    Raises:
        UsageError: it is not of that form, or there is no such file.
    """
    file, _, name = text.rpartition(":")
    if not file or not name.isidentifier():
        raise UsageError(f"--reward takes file.py:function, not {text!r}")
    path = Path(file)
    if not path.is_file():
        raise UsageError(f"no reward file at {file}")
    return RewardFunction(path.resolve(), name)


def parse_weighted(text: str) -> RewardFunction:
    """`file.py:function`, `package.module:function`, either with `=0.7` behind it.

    Raises:
        UsageError: it is of no such form, or there is no such file.
    """
    named, equals, number = text.rpartition("=")
    if not equals:
        named, number = text, "1"
    file, _, name = named.rpartition(":")
    if not file or not name or not all(part.isidentifier() for part in name.split(".")):
        raise UsageError(f"a reward is given as file.py:function or package.module:function, not {text!r}")
    try:
        weight = float(number)
    except ValueError:
        weight = math.nan
    if not math.isfinite(weight):
        raise UsageError(f"the weight of a reward is a number, as in {named}=0.7, not {number!r}")
    path = Path(file)
    if path.is_file():
        return RewardFunction(path.resolve(), name, weight=weight)
    if path.suffix == ".py" or not all(part.isidentifier() for part in file.split(".")):
        raise UsageError(f"no reward file at {file}")
    return RewardFunction(None, name, file, weight)


@dataclass(frozen=True, slots=True)
class Texts:
    """What is to be scored, one entry a completion, in one order throughout.

    Attributes:
        columns: extra columns of the prompts file, one list a column, entries repeated per completion.
        group: completions per call, those of one prompt, as a GRPO trainer would pass them.
        answers: the reference answers, None where there is none; empty where there are none at all.
        messages: the conversations that the prompts were rendered from; empty where there are none at all.
    """

    prompts: Sequence[str]
    completions: Sequence[str]
    completion_ids: Sequence[Sequence[int]]
    columns: dict[str, list[Any]]
    group: int = 1
    answers: Sequence[str | None] = ()
    messages: Sequence[Sequence[dict[str, Any]]] = ()


def score(function: RewardFunction, texts: Texts, *, wall_seconds: float = WALL_SECONDS) -> list[float]:
    """Rewards of all completions.

    The function runs under this interpreter in isolated mode, with limits on processor time, memory and file
    size, an environment without secrets, and its output set aside.

    Raises:
        RewardError: it can't be imported, raises, returns the wrong number of values or something that is
        not a finite
            number, exceeds its limits or does not return in time. Names the function and the text.
    """
    job = {
        "file": str(function.file),
        "function": function.name,
        "prompts": list(texts.prompts),
        "completions": list(texts.completions),
        "completion_ids": [list(ids) for ids in texts.completion_ids],
        "columns": texts.columns,
        "group": texts.group,
        "cpu_seconds": CPU_SECONDS,
        "memory_bytes": MEMORY_BYTES,
        "file_bytes": FILE_BYTES,
    }
    lines, died, timed_out = _run(json.dumps(job).encode(), wall_seconds)
    return _judge(function, lines, died=died, timed_out=timed_out, texts=texts, wall_seconds=wall_seconds)


def _run(job: bytes, wall_seconds: float) -> tuple[list[dict[str, Any]], int, bool]:
    """The child's answer lines, its exit status, and whether it had to be stopped."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment["OMP_NUM_THREADS"] = "1"
    reader, writer = os.pipe()
    chunks: list[bytes] = []
    with tempfile.TemporaryDirectory(prefix="vllm-migrate-reward-") as scratch:
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-B", child.__file__, str(writer)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(writer,),
                env=environment,
                cwd=scratch,
                start_new_session=True,
            )
        finally:
            os.close(writer)
        collector = threading.Thread(target=_collect, args=(reader, chunks), daemon=True)
        collector.start()
        feeder = threading.Thread(target=_feed, args=(process, job), daemon=True)
        feeder.start()
        timed_out = False
        try:
            process.wait(wall_seconds)
        except subprocess.TimeoutExpired:
            timed_out = True
        finally:
            # Whatever the function started in its session goes with it.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            feeder.join(5)
            collector.join(5)
    return _parse(b"".join(chunks)), process.returncode, timed_out


def _feed(process: subprocess.Popen[bytes], job: bytes) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.write(job)
            process.stdin.close()


def _collect(reader: int, chunks: list[bytes]) -> None:
    size = 0
    with os.fdopen(reader, "rb", buffering=0) as stream:
        while chunk := stream.read(1 << 16):
            size += len(chunk)
            if size > _ANSWER_BYTES:
                return
            chunks.append(chunk)


def _parse(answer: bytes) -> list[dict[str, Any]]:
    found = []
    for line in answer.splitlines():
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if isinstance(message, dict):
            found.append(message)
    return found


def _judge(
    function: RewardFunction,
    lines: list[dict[str, Any]],
    *,
    died: int,
    timed_out: bool,
    texts: Texts,
    wall_seconds: float,
) -> list[float]:
    final = lines[-1] if lines else {}
    if "rewards" in final and not timed_out:
        rewards = [float(value) for value in final["rewards"]]
        if len(rewards) == len(texts.completions):
            return rewards
    if "error" in final:
        error = final["error"]
        where = "" if error.get("text") is None else f" on text {error['text']}"
        message = str(error.get("message", "failed"))
        hint = "install what it imports beside vllm-migrate" if "ModuleNotFoundError" in message else ""
        raise RewardError(f"reward function {function} {message}{where}", hint=hint)
    span = final.get("at")
    where = (
        ""
        if not span
        else f" on text {span[0]}"
        if span[0] == span[1]
        else f" on texts {span[0]} to {span[1]}"
    )
    if timed_out:
        raise RewardError(f"reward function {function} did not return within {wall_seconds:g} s{where}")
    if died in {-signal.SIGXCPU, -signal.SIGKILL}:
        raise RewardError(
            f"reward function {function} used more than its {CPU_SECONDS} s of processor time{where}"
        )
    raise RewardError(f"reward function {function} ended its process (exit status {died}){where}")
