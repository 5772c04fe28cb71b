"""What is finished of an audit, kept on disk: a run that was killed continues from there.

Each finished part is a file of its own that appears whole or not at all, so that a kill at any moment
leaves only finished parts. The directory is found again by a digest of everything that decides the outcome:
the plan, the files of the checkpoint and of the reward function, the engines, this tool's own code. It holds
prompts and completions, so it can be read by its owner only, and goes once the audit has its verdict.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import vllm_migrate
from vllm_migrate.audit.executors.executor import Scale
from vllm_migrate.engines.paths import cache_root
from vllm_migrate.errors import InputError, UsageError
from vllm_migrate.trace.packed import UnreadableError, fingerprint, read_packed, write_packed

if TYPE_CHECKING:
    from typing_extensions import Self

    from vllm_migrate.audit.plan import AuditPlan

KEPT_DAYS = 14
"""An interrupted audit that nobody has continued by then is removed: its prompts should not lie about."""

_KEY, _LOCK, _SUFFIX = "audit", "lock", ".parquet"
_OWN_CODE = ("audit", "engines", "trace", "workers")


class Journal:
    """Finished parts by name; without a directory it keeps nothing and finds nothing.

    Attributes:
        notes: what it could not do, in words.
    """

    def __init__(self, directory: Path | None = None, *, temporary: bool = False, lock: int = -1) -> None:
        self._directory = directory
        self._temporary = temporary
        self._lock = lock
        self.notes: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def find(self, name: str) -> Any:
        """A finished part; None where there is none, or none that this version can read."""
        if self._directory is None:
            return None
        try:
            return read_packed(self._directory / (name + _SUFFIX))
        except (FileNotFoundError, UnreadableError):
            return None

    def keep(self, name: str, value: Any) -> None:
        """Keep a finished part. A full disk is no reason to lose the audit: it is noted, and this goes on."""
        if self._directory is None:
            return
        try:
            write_packed(value, self._directory / (name + _SUFFIX))
        except OSError as error:
            self.notes.append(f"{name} could not be kept for a later run: {error.strerror or error}")

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the finished parts."""
        if self._directory is None:
            return ()
        return tuple(sorted(path.stem for path in self._directory.glob(f"[!.]*{_SUFFIX}")))

    def finish(self) -> None:
        """The audit has its verdict: a journal that nobody asked to keep goes."""
        if self._temporary and self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
        self.close()

    def close(self) -> None:
        """Let others have it; calling it again does nothing."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
        self._directory = None


def open_journal(plan: AuditPlan, engines: tuple[object, ...]) -> Journal:
    """The journal of this audit: in `plan.resume`, or in the cache.

    Where another process has the one in the cache, this run goes without.

    Args:
        plan: what is done.
        engines: the environments it runs in.

    Raises:
        UsageError: `plan.resume` belongs to another audit, or is in use.
        InputError: it can't be made.
    """
    try:
        key = audit_key(plan, engines)
    except TypeError as error:
        journal = Journal()
        journal.notes.append(f"nothing was kept for a later run: {error}")
        return journal
    if plan.resume is not None:
        return _asked_for(plan.resume, key, fresh=plan.fresh)
    root = cache_root() / "audits"
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        _tidy(root)
        directory = root / key[:32]
        directory.mkdir(exist_ok=True, mode=0o700)
        lock = _locked(directory)
    except OSError:
        return Journal()  # a cache that can't be written costs no more than the way back
    if lock < 0:
        return Journal()
    if plan.fresh:
        _empty(directory)
    return Journal(directory, temporary=True, lock=lock)


def audit_key(plan: AuditPlan, engines: tuple[object, ...]) -> str:
    """SHA-256 over what decides an audit's outcome.

    Files are known by name, size and time of change: reading a large checkpoint would take as long as
    starting an engine.
    """
    judged = replace(
        plan,
        resume=None,
        fresh=False,
        save_reference=None,
        warnings=(),
        redact=False,
        scale=Scale(),
        check_reward=False,
    )
    files = [*plan.model.iterdir()] if plan.model.is_dir() else []
    files += [path for path in (plan.reference, None if plan.reward is None else plan.reward.file) if path]
    own = Path(vllm_migrate.__file__).parent
    files += [path for name in _OWN_CODE for path in (own / name).rglob("*.py")]
    parts = [
        vllm_migrate.__version__,
        fingerprint(judged),
        fingerprint(engines),
        str(plan.model.absolute()),
        *sorted(_stamp(path) for path in files),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _stamp(path: Path) -> str:
    try:
        found = path.stat()
    except OSError:
        return f"{path} absent"
    return f"{path} {found.st_size} {found.st_mtime_ns}"


def _asked_for(directory: Path, key: str, *, fresh: bool) -> Journal:
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = _locked(directory)
    except OSError as error:
        raise InputError(f"can't keep a journal in {directory}: {error.strerror or error}") from None
    if lock < 0:
        raise UsageError(f"--resume {directory} is in use by another run")
    known = directory / _KEY
    if fresh:
        _empty(directory)
    elif known.is_file() and known.read_text(encoding="ascii", errors="replace") != key:
        os.close(lock)
        raise UsageError(
            f"--resume {directory} belongs to another audit: options, files or engines differ",
            hint="give another directory, or --fresh to begin anew there",
        )
    elif not known.is_file() and any(path.name != _LOCK for path in directory.iterdir()):
        os.close(lock)
        raise UsageError(f"--resume {directory} holds other files", hint="give an empty or a new directory")
    known.write_text(key, encoding="ascii")
    return Journal(directory, lock=lock)


def _locked(directory: Path) -> int:
    """A descriptor that holds the directory's lock, -1 where another process has it."""
    descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return -1
    return descriptor


def _empty(directory: Path) -> None:
    """Remove the parts, and nothing that a journal did not make."""
    for path in directory.glob(f"*{_SUFFIX}"):
        path.unlink(missing_ok=True)
    for path in directory.glob(f".*{_SUFFIX}.*"):
        path.unlink(missing_ok=True)


def _tidy(root: Path) -> None:
    """Remove journals that nobody has continued for long."""
    oldest = time.time() - KEPT_DAYS * 86_400
    for directory in root.iterdir():
        with suppress(OSError):
            if directory.stat().st_mtime < oldest and (lock := _locked(directory)) >= 0:
                shutil.rmtree(directory, ignore_errors=True)
                os.close(lock)
