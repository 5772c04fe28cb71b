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
from vllm_migrate.workers import sync_protocol as sync_wire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import Self

    from vllm_migrate.engines.environment import EngineEnvironment

    Progress = Callable[[str, int, int], None]

WORKERS = Path(__file__).resolve().parent.parent / "workers"

START_SECONDS = 120.0
LOAD_SECONDS = 1800.0
WORK_SECONDS = 7200.0
CONTROL_SECONDS = 300.0
STOP_SECONDS = 10.0

_KINDS: dict[str, type[EngineError | InputError | UsageError]] = {
    "input": InputError,
    "unsupported": UsageError,
    "start": EngineStartError,
    "forced-decoding": ForcedDecodingError,
}


class EngineClient:
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
                    hint=f"vllm-migrate engines remove {self.engine.name}, then install it again",
                ) from error

    def hello(self) -> dict[str, Any]:
        """Versions inside the environment; imports nothing heavy there."""
        answer = self._call(wire.HELLO, {}, seconds=START_SECONDS)
        if answer.get("protocol") != wire.PROTOCOL_VERSION:
            raise EngineStartError(
                f"{self.name} speaks protocol {answer.get('protocol')}, not {wire.PROTOCOL_VERSION}"
            )
        return answer

    def load(
        self,
        model: str | Path,
        engine_args: Mapping[str, Any] | None = None,
        *,
        kind: str = "",
        harness_args: Mapping[str, Any] | None = None,
        slot: str = wire.MAIN_SLOT,
        seconds: float = LOAD_SECONDS,
    ) -> wire.Loaded:
        """Start the engine on a model.

        Args:
            model: directory of the checkpoint.
            engine_args: keyword arguments for `LLM(...)`, as a user would write them.
            kind: "v0", "v1" or "trainer"; by default the engine's generation.
            harness_args: arguments for a quick start; by default the engine's own. The user's win.
            slot: where to keep it; one process can hold several (an engine and a trainer).
            seconds: how long to wait.

        Raises:
            InputError: no such model.
            EngineStartError: it did not come up.
        """
        number = self.begin_load(model, engine_args, kind=kind, harness_args=harness_args, slot=slot)
        return self.end_load(number, seconds=seconds)

    def begin_load(
        self,
        model: str | Path,
        engine_args: Mapping[str, Any] | None = None,
        *,
        kind: str = "",
        harness_args: Mapping[str, Any] | None = None,
        slot: str = wire.MAIN_SLOT,
    ) -> int:
        """Ask for a load without waiting; `end_load` with the returned number waits."""
        kind = kind or self.engine.generation
        harness = self.engine.harness if harness_args is None else harness_args
        request = wire.LoadRequest(
            kind=kind,
            model=str(Path(model).absolute()),
            engine_args=dict(engine_args or {}),
            harness_args={} if kind == "trainer" else dict(harness),
        )
        return self._send(wire.LOAD, wire.to_wire(request), slot)

    def end_load(self, number: int, *, seconds: float = LOAD_SECONDS) -> wire.Loaded:
        """Wait for a load that was begun."""
        return wire.Loaded(**self._receive(number, seconds))

    def tokenize(self, texts: list[str], *, slot: str = wire.MAIN_SLOT) -> list[list[int]]:
        """Token ids of each text, as the engine makes them for text prompts."""
        answer = self._call(wire.TOKENIZE, {"texts": texts}, seconds=CONTROL_SECONDS, slot=slot)
        ids: list[list[int]] = answer["token_ids"]
        return ids

    def render(
        self, chats: list[dict[str, Any]], *, slot: str = wire.MAIN_SLOT
    ) -> list[tuple[str, list[int]]]:
        """Each conversation as text and token ids, by the tokenizer's own chat template.

        Raises:
            InputError: there is no template, or it does not know what a conversation holds.
        """
        answer = self._call(wire.RENDER, {"chats": chats}, seconds=CONTROL_SECONDS, slot=slot)
        return list(zip(answer["texts"], answer["token_ids"], strict=True))

    def generate(
        self, request: wire.GenerateRequest, *, slot: str = wire.MAIN_SLOT, seconds: float = WORK_SECONDS
    ) -> list[wire.RolloutRecord]:
        """Sample; records ordered by prompt, then sample."""
        answer = self._call(wire.GENERATE, wire.to_wire(request), seconds=seconds, slot=slot)
        return [wire.RolloutRecord(**record) for record in answer["rollouts"]]

    def replay(
        self, request: wire.ReplayRequest, *, slot: str = wire.MAIN_SLOT, seconds: float = WORK_SECONDS
    ) -> list[wire.ReplayRecord]:
        """Force completions; records in the order of the request's sequences.

        Raises:
            ForcedDecodingError: a record's emitted ids aren't the ones that were to be forced.
        """
        answer = self._call(wire.REPLAY, wire.to_wire(request), seconds=seconds, slot=slot)
        records = [wire.ReplayRecord(**record) for record in answer["replays"]]
        for index, (record, wanted) in enumerate(zip(records, request.completions, strict=True)):
            if record.emitted != list(wanted) or len(record.logprobs) != len(wanted):
                raise ForcedDecodingError(f"{self.name} did not follow the forced tokens of sequence {index}")
        return records

    def flip(self, setting: str, value: Any, *, slot: str = wire.MAIN_SLOT) -> dict[str, Any]:
        """Change a setting in the live engine: `{"live": bool, "was": ..., "why": str}`.

        Where `live` is false nothing changed, and only an engine started with the setting will show its
        effect.
        """
        return self._call(wire.FLIP, {"setting": setting, "value": value}, seconds=CONTROL_SECONDS, slot=slot)

    def observe(self, *, slot: str = wire.MAIN_SLOT) -> dict[str, int]:
        """What the scheduler did since this was last asked: its steps, rows, tokens, cached tokens."""
        return self._call(wire.OBSERVE, {}, seconds=CONTROL_SECONDS, slot=slot)

    def reset(self, *, slot: str = wire.MAIN_SLOT) -> bool:
        """Empty the prefix cache; false where the engine refused."""
        return bool(self._call(wire.RESET, {}, seconds=CONTROL_SECONDS, slot=slot)["done"])

    def checksum(self, *, slot: str = wire.MAIN_SLOT, seconds: float = LOAD_SECONDS) -> sync_wire.Checksums:
        """Digests of the weights the engine computes with."""
        return sync_wire.Checksums(**self._call(sync_wire.CHECKSUM, {}, seconds=seconds, slot=slot))

    def update(
        self, request: sync_wire.UpdateRequest, *, slot: str = wire.MAIN_SLOT, seconds: float = LOAD_SECONDS
    ) -> sync_wire.UpdateReport:
        """Bring another checkpoint's weights into the live engine, while nothing runs."""
        answer = self._call(sync_wire.UPDATE, wire.to_wire(request), seconds=seconds, slot=slot)
        return sync_wire.UpdateReport(**answer)

    def sync_replay(
        self,
        request: sync_wire.SyncReplayRequest,
        *,
        slot: str = wire.MAIN_SLOT,
        seconds: float = WORK_SECONDS,
    ) -> tuple[list[sync_wire.SyncRecord], sync_wire.UpdateReport | None]:
        """Force sequences with the prefix cache under control, an update in flight where one is asked for."""
        answer = self._call(sync_wire.SYNC_REPLAY, wire.to_wire(request), seconds=seconds, slot=slot)
        update = answer["update"]
        return (
            [sync_wire.SyncRecord(**record) for record in answer["records"]],
            None if update is None else sync_wire.UpdateReport(**update),
        )

    def shutdown(self) -> None:
        """Ask the worker to end, then make sure of it."""
        if self._process is not None and self._process.poll() is None:
            with suppress(EngineError, BrokenPipeError):
                self._call(wire.SHUTDOWN, {}, seconds=STOP_SECONDS)
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

    def _call(
        self, operation: str, args: dict[str, Any], *, seconds: float, slot: str = wire.MAIN_SLOT
    ) -> dict[str, Any]:
        return self._receive(self._send(operation, args, slot), seconds)

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
