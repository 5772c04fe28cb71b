"""From what the user names to runs: a file, a run's directory, a directory of runs, or a pattern."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vllm_migrate.errors import InputError
from vllm_migrate.watch.readers.csv import CsvReader
from vllm_migrate.watch.readers.jsonl import LinesReader
from vllm_migrate.watch.readers.tensorboard import EventReader
from vllm_migrate.watch.readers.trainer_state import TrainerStateReader
from vllm_migrate.watch.readers.wandb import WandbReader
from vllm_migrate.watch.run import Collector, Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.watch.readers.base import Reader

_EVENTS = "tfevents"
_STATE = "trainer_state.json"
_CHECKPOINT = re.compile(r"checkpoint-(\d+)")
_LINES = {".jsonl", ".ndjson"}
_COLUMNS = {".csv", ".tsv"}
_HISTORY = "wandb-history.jsonl"
_DEEPEST = 5
_MOST_RUNS = 200
_KNOWN = "trainer_state.json, TensorBoard event files, W&B logs (.wandb, .jsonl), JSON Lines and CSV"


@dataclass
class RunLog:
    """One run's files, which are read on at each `update`.

    Attributes:
        place: file or directory that was found to be a run.
        step: name of the step, where the user gave one.
    """

    place: Path
    step: str = ""
    _readers: dict[Path, Reader] = field(default_factory=dict)
    _collector: Collector | None = None

    def update(self) -> bool:
        """Read what is new; whether there was anything.

        Raises:
            InputError: a file can't be read.
        """
        files = _files(self.place)
        if not files:
            raise InputError(f"{self.place}: no run log there", hint=f"known are {_KNOWN}")
        if not _appended(files[0]) and list(self._readers) != files:
            self._readers.clear()  # a newer checkpoint holds all that an older one does
        changed = False
        for path in files:
            if path not in self._readers:
                if self._collector is None or not self._readers:
                    self._collector = Collector(appended=path.suffix.lower() not in _COLUMNS)
                self._readers[path] = _reader(path, self._collector, self.step)
            changed |= self._readers[path].update()
        return changed

    def close(self) -> None:
        """The files are complete: what they end in is taken as it is."""
        for reader in self._readers.values():
            if isinstance(reader, CsvReader):
                reader.close()

    def run(self, name: str) -> Run:
        """The run as it is known by now."""
        readers = list(self._readers.values())
        collector = self._collector or Collector()
        series = collector.series()
        notes = [note for reader in readers for note in reader.notes()] + collector.notes()
        kind = readers[0].kind if readers else "log"
        finished = bool(readers) and readers[-1].finished
        return Run(name, str(self.place), kind, series, finished, tuple(notes))


def open_runs(named: Sequence[str], *, step: str = "") -> list[RunLog]:
    """The runs that paths and patterns stand for, in order, none twice. Nothing is read yet.

    Raises:
        InputError: nothing is there, or no log is found in it.
    """
    places: dict[Path, None] = {}
    for name in named:
        for path in _paths(name):
            places |= dict.fromkeys(_runs(path))
    return [RunLog(place, step) for place in places]


def names_of(logs: Sequence[RunLog]) -> list[str]:
    """Short names: what tells the paths apart."""
    paths = [log.place.absolute() for log in logs]
    if len(paths) == 1:
        return [_short(paths[0])]
    common = Path(os.path.commonpath([str(path) for path in paths]))
    return [str(path.relative_to(common)) if path != common else path.name for path in paths]


def _short(path: Path) -> str:
    return (
        path.name
        if path.is_dir() or path.name not in (_STATE, _HISTORY)
        else f"{path.parent.name}/{path.name}"
    )


def _paths(name: str) -> list[Path]:
    path = Path(name)
    if path.exists():
        return [path]
    pattern = glob.has_magic(name)
    found = sorted(map(Path, glob.glob(name))) if pattern else []  # noqa: PTH207 - may be absolute
    if not found:
        raise InputError(f"{name}: there is no such file or directory")
    return found


def _runs(path: Path) -> list[Path]:
    """The runs at a path: itself, or those beneath it."""
    if path.is_file() or _files(path):
        loose = [] if path.is_file() or _is_one(path) else sorted(_loose(path))
        return loose or [path]
    found: list[Path] = []
    _beneath(path, found, 0)
    if not found:
        raise InputError(f"{path}: no run log there", hint=f"known are {_KNOWN}")
    return found


def _beneath(path: Path, found: list[Path], depth: int) -> None:
    for inner in _listed(path):
        if len(found) >= _MOST_RUNS:
            raise InputError(
                f"{path}: more than {_MOST_RUNS} runs", hint="name those that are to be compared"
            )
        if not inner.is_dir() or inner.is_symlink():
            continue  # W&B links its latest run
        if _files(inner):
            found += [inner] if _is_one(inner) else sorted(_loose(inner))
        elif depth < _DEEPEST:
            _beneath(inner, found, depth + 1)


def _listed(path: Path) -> list[Path]:
    try:
        return sorted(path.iterdir())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error


def _is_one(path: Path) -> bool:
    """Whether a directory with logs is one run; several loose JSON Lines or CSV files are runs each."""
    files = _files(path)
    return files[0].suffix.lower() not in _LINES | _COLUMNS or len(_loose(path)) == 1


def _loose(path: Path) -> list[Path]:
    return [inner for inner in _listed(path) if inner.suffix.lower() in _LINES | _COLUMNS and inner.is_file()]


def _files(path: Path) -> list[Path]:
    """The files that make up a run, in the order of time; empty where the path is none."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        return []
    inner = _listed(path)
    state = path / _STATE
    if state.is_file():
        return [state]
    events = [file for file in inner if _EVENTS in file.name and file.is_file()]
    if not events and (path / "runs").is_dir():  # as the Trainer writes them: runs/<date>_<host>
        events = sorted((path / "runs").glob(f"*/*{_EVENTS}*"))
    if events:
        return sorted(events, key=_written)
    saved = [
        (int(match[1]), file / _STATE)
        for file in inner
        if (match := _CHECKPOINT.fullmatch(file.name)) and (file / _STATE).is_file()
    ]
    if saved:
        return [max(saved)[1]]
    logs = [file for file in inner if file.suffix == ".wandb" and file.is_file()]
    if logs:
        return logs[:1]
    history = [file for file in (path / _HISTORY, path / "files" / _HISTORY) if file.is_file()]
    return history[:1] or _loose(path)[:1]


def _written(path: Path) -> tuple[str, str]:
    """Event files carry the second of their making in their names."""
    stamp = re.search(r"tfevents\.(\d+)", path.name)
    return (stamp[1].zfill(20) if stamp else "", path.name)


def _appended(path: Path) -> bool:
    return path.name != _STATE


def _reader(path: Path, collector: Collector, step: str) -> Reader:
    if _EVENTS in path.name:
        return EventReader(path, collector)
    suffix = path.suffix.lower()
    if suffix == ".wandb":
        return WandbReader(path, collector, step=step)
    if suffix in _COLUMNS:
        return CsvReader(path, collector, step=step)
    if suffix in _LINES:
        return LinesReader(path, collector, step=step)
    if suffix == ".json":
        return TrainerStateReader(path, collector)
    raise InputError(f"{path}: not known as a run log", hint=f"known are {_KNOWN}")
