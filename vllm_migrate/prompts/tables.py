"""Prompts in tables: Parquet, Arrow, and data sets that `datasets` saved, read with pyarrow alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from vllm_migrate.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

PARQUET_MAGIC, ARROW_MAGIC = b"PAR1", b"ARROW1"
_STATE, _SPLITS = "state.json", "dataset_dict.json"
_BATCH = 4096


def is_table(path: Path) -> bool:
    """Whether a path is one of these kinds, by what it holds, not by its name."""
    if path.is_dir():
        return True
    if path.suffix.lower() in (".parquet", ".pq", ".arrow", ".feather"):
        return True
    try:
        with path.open("rb") as stream:
            return stream.read(6).startswith((PARQUET_MAGIC, ARROW_MAGIC))
    except OSError:
        return False


def table_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every row with its place, as plain Python values.

    Raises:
        InputError: no table, a data set of several splits, or one whose rows are chosen by an index file.
    """
    for file in _files(path):
        number = 0
        for batch in _batches(file):
            for row in batch.to_pylist():
                number += 1
                yield f"{file}: row {number}", row


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise InputError(f"can't read {path}: no such file or directory")
    if not path.is_dir():
        return [path]
    if (path / _STATE).is_file():
        return _saved(path)
    if (path / _SPLITS).is_file():
        names = _splits(path)
        if len(names) == 1:
            return _saved(path / names[0])
        raise InputError(
            f"{path} holds several splits: {', '.join(names)}",
            hint=f"give one of them, such as {path / (names[0] if names else 'train')}",
        )
    found = sorted(path.glob("*.parquet")) or sorted(path.glob("*.arrow"))
    if not found:
        raise InputError(
            f"{path} is no data set: it has neither {_STATE} nor Parquet files",
            hint="give a directory that Dataset.save_to_disk wrote, or one of Parquet files",
        )
    return found


def _splits(path: Path) -> list[str]:
    names = _object(path / _SPLITS).get("splits")
    if not isinstance(names, list):
        raise InputError(f"{path / _SPLITS} names no splits")
    return [str(name) for name in names]


def _saved(path: Path) -> list[Path]:
    """The Arrow files of a saved data set in their order; older files beside them are not its own."""
    state = _object(path / _STATE)
    if state.get("_indices_data_files") or state.get("_indices_files"):
        raise InputError(
            f"{path} chooses its rows by an index file, which is not supported",
            hint="call flatten_indices() before save_to_disk",
        )
    files = state.get("_data_files")
    names = [entry.get("filename") for entry in files if isinstance(entry, dict)] if files else []
    if not names or not all(isinstance(name, str) for name in names):
        raise InputError(f"{path / _STATE} names no data files")
    found = [path / str(name) for name in names]
    for file in found:
        if file.parent != path or not file.is_file():
            raise InputError(f"{path / _STATE} names {file.name}, which is not there")
    return found


def _object(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise InputError(f"{path} is no readable JSON") from None
    if not isinstance(document, dict):
        raise InputError(f"{path} is no JSON object")
    return document


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa  # noqa: PLC0415 - tens of milliseconds that only tables need
    import pyarrow.parquet as pq  # noqa: PLC0415 - same

    try:
        with path.open("rb") as stream:
            magic = stream.read(6)
        if magic.startswith(PARQUET_MAGIC):
            with pq.ParquetFile(path) as file:
                yield from file.iter_batches(batch_size=_BATCH)
        elif magic.startswith(ARROW_MAGIC):
            with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
                for index in range(reader.num_record_batches):
                    yield reader.get_batch(index)
        else:  # what `datasets` writes is the stream format, which has no magic
            with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as reader:
                yield from reader
    except (pa.ArrowException, OSError, ValueError) as error:
        text = str(error).strip().splitlines()
        raise InputError(
            f"{path} is neither Parquet nor Arrow: {text[0] if text else type(error).__name__}"
        ) from None
