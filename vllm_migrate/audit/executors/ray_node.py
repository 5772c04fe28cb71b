"""What runs on a node of a Ray cluster: one replica's engine, a process that an actor starts and speaks to.

Nothing here raises what another Python might not be able to read: answers and errors travel as plain values.
"""

from __future__ import annotations

import hashlib
import platform
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import vllm_migrate
from vllm_migrate.engines import registry
from vllm_migrate.engines.client import EngineClient
from vllm_migrate.errors import EngineError, InputError, ProvisionError, VllmMigrateError
from vllm_migrate.workers import protocol as wire

if TYPE_CHECKING:
    from vllm_migrate.engines.environment import EngineEnvironment

_SAME = ("generation", "version", "package", "device")
_SMALL_BYTES = 1 << 20
_CODE = ("engines", "trace", "workers")

OK, ERROR = "ok", "error"


class Replica:
    """One engine process on a node. Calls but `progress` and `end` come one at a time.

    Args:
        spec: of the engine, as the node's own registry resolves it.
        wanted: what it must turn out to be.
        name: of the arm, for messages and the log's name.
        model: directory of the checkpoint; `stamp` what `checkpoint_stamp` must say of it here.
        stamp: of the checkpoint where the audit was started.
        code: what `code_digest` must say here.
    """

    def __init__(
        self, spec: str, wanted: EngineEnvironment, name: str, *, model: str, stamp: str, code: str
    ) -> None:
        self._spec = spec
        self._wanted = wanted
        self._name = name
        self._model = model
        self._stamp = stamp
        self._code = code
        self._progress = ("", 0, 0)
        self._client: EngineClient | None = None
        self._ended = False
        self._at_work = False
        self._lock = threading.Lock()

    def call(self, operation: str, args: dict[str, Any], slot: str, seconds: float) -> dict[str, Any]:
        """One operation as it travels: `{"ok": answer}`, or `{"error": {"class", "message", "hint"}}`."""
        try:
            client = self._started()
            return {OK: client.call(operation, args, seconds=seconds, slot=slot)}
        except VllmMigrateError as error:
            return {ERROR: _plain(error)}
        except Exception as error:  # noqa: BLE001 - whatever it is must reach the other side as a plain value
            return {ERROR: _plain(EngineError(f"{type(error).__name__}: {error}"))}
        finally:
            with self._lock:
                self._at_work = False
                if self._ended and self._client is not None:
                    self._client.close()

    def progress(self) -> tuple[str, int, int]:
        """The operation at work, how much of it is done, of how much."""
        return self._progress

    def end(self) -> None:
        """End the engine's process; whoever waits for an answer gets an error."""
        with self._lock:
            self._ended = True
            if self._client is not None and self._at_work:
                self._client.kill()  # the thread that waits for it closes it
            elif self._client is not None:
                self._client.close()

    def _started(self) -> EngineClient:
        with self._lock:
            if self._ended:
                raise EngineError(f"{self._name} was ended")
            if self._client is None:
                engine = self._environment()
                self._client = EngineClient(engine, name=self._name, progress=self._note)
                self._client.start()
            self._at_work = True
            return self._client

    def _note(self, operation: str, done: int, total: int) -> None:
        self._progress = (operation, done, total)

    def _environment(self) -> EngineEnvironment:
        """This node's engine, if everything here is what it is where the audit was started."""
        if code_digest() != self._code:
            raise ProvisionError(
                "another version of vllm-migrate is installed there",
                hint=f"install vllm-migrate {vllm_migrate.__version__} on every node",
            )
        engine = registry.require(self._spec)
        for name in _SAME:
            found, wanted = getattr(engine, name), getattr(self._wanted, name)
            if found != wanted:
                raise ProvisionError(
                    f"{self._spec} has {name} {found} there, and {wanted} on the first node",
                    hint="install the same engine on every node",
                )
        if checkpoint_stamp(Path(self._model)) != self._stamp:
            raise InputError(
                f"the checkpoint {self._model} is not there, or is another one",
                hint="give --model a directory on storage that every node has at the same path",
            )
        return engine


def find_engine(spec: str) -> dict[str, Any]:
    """The engine that a node's registry finds: `{"ok": EngineEnvironment}`, or an error as `Replica.call`."""
    try:
        return {OK: registry.require(spec)}
    except VllmMigrateError as error:
        return {ERROR: _plain(error)}


def node_name() -> str:
    """What to call this node."""
    return platform.node()


def sees(path: str) -> bool:
    """Whether a file of another node is there on this one."""
    return Path(path).exists()


def checkpoint_stamp(model: Path) -> str:
    """Names and sizes of a checkpoint's files, and the contents of the small ones; "" where there is none.

    Reading the weights on every node would take as long as starting an engine there.
    """
    if not (model / "config.json").is_file():
        return ""
    found = hashlib.sha256()
    for path in sorted(path for path in model.iterdir() if path.is_file()):
        size = path.stat().st_size
        found.update(f"{path.name} {size}\n".encode())
        if size <= _SMALL_BYTES:
            found.update(path.read_bytes())
    return found.hexdigest()


def code_digest() -> str:
    """Of the code that a replica runs: the same version number may stand for two states of a checkout."""
    root = Path(vllm_migrate.__file__).parent
    found = hashlib.sha256(f"{vllm_migrate.__version__} {wire.PROTOCOL_VERSION}".encode())
    for path in sorted(path for name in _CODE for path in (root / name).rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()


def _plain(error: VllmMigrateError) -> dict[str, str]:
    return {"class": type(error).__name__, "message": error.message, "hint": error.hint}
