"""The client: one worker process inside an engine's environment, spoken to over pipes."""

from __future__ import annotations

import json
import os
import re
import selectors
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vllm_migrate.engines.calls import EngineCalls
from vllm_migrate.engines.logs import last_meaningful_line, new_log
from vllm_migrate.errors import (
    EngineDiedError,
    EngineError,
    EngineStartError,
    ForcedDecodingError,
    InputError,
    UsageError,
)
from vllm_migrate.workers import protocol as wire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import Self

    from vllm_migrate.engines.environment import EngineEnvironment

    Progress = Callable[[str, int, int], None]

WORKERS = Path(__file__).resolve().parent.parent / "workers"

STOP_SECONDS = 10.0

_KINDS: dict[str, type[EngineError | InputError | UsageError]] = {
    "input": InputError,
    "unsupported": UsageError,
    "start": EngineStartError,
    "forced-decoding": ForcedDecodingError,
}


class EngineClient(EngineCalls):
    """Starts a worker and calls it. Use as a context manager: leaving it ends the whole process group.

    `start()` only launches the process, so that several engines can come up at the same time; every other
    method waits for its answer. A process that has ended is not started again by them: what it held is lost.

    Args:
        engine: which environment.
        name: what to call it in messages and in its log's name; by default the engine's own name.
        progress: called with the operation, how many are done and how many there are.
        variables: additional environment variables for the process.
    """

    def __init__(
        self,
        engine: EngineEnvironment,
        *,
        name: str = "",
        progress: Progress | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.engine = engine
        self.name = name or engine.name
        self.log: Path | None = None
        self._progress = progress
        self._variables = dict(variables or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = False
        self._buffer = b""
        self._number = 0
        self._pending: dict[int, str] = {}
        self._answers: dict[int, dict[str, Any]] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Launch the process without waiting for it. Calling it again does nothing.

        Raises:
            EngineStartError: the interpreter can't be run.
        """
        if self._process is not None:
            return
        self.log = new_log(self.name)
        with self.log.open("wb") as log:
            try:
                self._process = subprocess.Popen(
                    [str(self.engine.python), str(WORKERS)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=self.engine.variables(self._variables),
                    cwd=self.log.parent,
                    # A group of its own: a Ctrl-C reaches us alone, and ending the group ends its children
                    # too.
                    start_new_session=True,
                )
            except OSError as error:
                raise EngineStartError(
                    f"{self.name} could not be started: {error.strerror or error}",
                    hint="is the interpreter still there?"
                    if self.engine.external
                    else f"vllm-migrate engines remove {self.engine.name}, then install it again",
                ) from error

    def shutdown(self) -> None:
        """Ask the worker to end, then make sure of it."""
        if self._process is not None and self._process.poll() is None:
            with suppress(EngineError, BrokenPipeError):
                self.call(wire.SHUTDOWN, {}, seconds=STOP_SECONDS)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=STOP_SECONDS)
        self.close()

    def close(self) -> None:
        """End the process group at once. Nothing of it is left running; calling it again does nothing."""
        process, self._process = self._process, None
        if process is None:
            return
        self._ended = True
        _kill_group(process)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def kill(self) -> None:
        """End the process group from another thread: whoever waits for an answer gets `EngineDiedError`.

        Unlike `close` it leaves the pipes to the thread that reads them.
        """
        process = self._process
        if process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)

    def peak_memory_bytes(self) -> int:
        """Resident high-water mark of the worker so far; 0 where the system doesn't tell."""
        if self._process is None:
            return 0
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8")
        except OSError:
            return 0
        match = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
        return int(match[1]) * 1024 if match else 0

    def _send(self, operation: str, args: dict[str, Any], slot: str) -> int:
        if not self._ended:
            self.start()
        process = self._running()
        self._number += 1
        line = json.dumps({"id": self._number, "op": operation, "args": args, "slot": slot})
        self._pending[self._number] = operation
        try:
            if process.stdin is not None:
                process.stdin.write(line.encode() + b"\n")
                process.stdin.flush()
        except (BrokenPipeError, OSError):
            raise self._died(operation) from None
        return self._number

    def _receive(self, number: int, seconds: float) -> dict[str, Any]:
        """Wait for one answer; progress and answers to other requests are handled on the way."""
        operation = self._pending[number]
        until = time.monotonic() + seconds
        while number not in self._answers:
            self._take(self._line(operation, until, seconds))
        self._pending.pop(number, None)
        answer = self._answers.pop(number)
        if "error" in answer:
            raise self._failure(answer["error"])
        result: dict[str, Any] = answer["ok"]
        return result

    def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            self.close()
            raise EngineDiedError(
                f"{self.name} sent something that is no message", hint=self._see_log()
            ) from None
        if message.get("event") == "progress":
            if self._progress is not None:
                self._progress(self._pending.get(message["id"], ""), message["done"], message["total"])
        elif message.get("id") is not None:
            self._answers[message["id"]] = message
        else:
            raise self._failure(message["error"])

    def _line(self, operation: str, until: float, seconds: float) -> bytes:
        """The next line the worker sends."""
        process = self._running()
        if process.stdout is None:
            raise self._died(operation)
        descriptor = process.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                left = until - time.monotonic()
                if left <= 0:
                    self.close()
                    raise EngineDiedError(
                        f"{self.name} gave no answer to {operation} in {seconds:.0f} seconds and was ended",
                        hint=self._see_log(),
                    )
                if not selector.select(timeout=left):
                    continue
                chunk = os.read(descriptor, 1 << 20)
                if not chunk:
                    raise self._died(operation)
                self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise EngineDiedError(f"{self.name} is not running any more", hint=self._see_log())
        return self._process

    def _failure(self, error: dict[str, str]) -> EngineError | InputError | UsageError:
        kind = _KINDS.get(error["kind"], EngineError)
        return kind(
            f"{self.name}: {error['message']}", hint=self._see_log() if kind is not InputError else ""
        )

    def _died(self, operation: str) -> EngineDiedError:
        """The error for a worker that is gone, with the last thing it said."""
        process, status = self._process, None
        if process is not None:
            with suppress(subprocess.TimeoutExpired):
                status = process.wait(timeout=STOP_SECONDS)
        self.close()
        if status == -signal.SIGKILL:
            message = f"{self.name} was killed (signal 9) during {operation}, most likely for want of memory"
        elif status is not None and status < 0:
            message = f"{self.name} crashed during {operation} with {_signal_name(-status)}"
        else:
            message = f"{self.name} ended during {operation} with status {status}"
        said = last_meaningful_line(self.log)
        return EngineDiedError(f"{message}: {said}" if said else message, hint=self._see_log())

    def _see_log(self) -> str:
        return f"its log is {self.log}" if self.log is not None else ""


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and everything it started; it leads a process group of its own."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=STOP_SECONDS)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
