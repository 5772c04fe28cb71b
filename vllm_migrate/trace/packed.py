"""Plain values of this package as one Parquet file, and back: what a journal keeps.

A value may be built of None, booleans, numbers, texts, lists, tuples, dictionaries, sets, paths,
enumerations and dataclasses of this package. Long rows of numbers, which are nearly all of it, become rows of
Parquet; the rest is one JSON document that refers to them. Nothing is executed in reading: a class is only
ever one of this package's dataclasses or enumerations, found by name.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import tempfile
from enum import Enum
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_PACKAGE = "vllm_migrate."
_SHORTEST = 8  # numbers; fewer stand in the document
_KINDS = ("floats", "integers")


class UnreadableError(Exception):
    """The file is not what `write_packed` of this version wrote."""


def write_packed(value: Any, path: Path) -> None:
    """Write a value; the file appears whole or not at all, and only its owner can read it.

    Raises:
        TypeError: the value holds something else than is listed above.
        OSError: the file can't be written.
    """
    import pyarrow as pa  # noqa: PLC0415 - tens of milliseconds that only journals and traces need
    import pyarrow.parquet as pq  # noqa: PLC0415 - same

    packer = _Packer()
    document = json.dumps(packer.pack(value))
    count = len(packer.rows)
    table = pa.table(
        {
            "document": pa.array([document] + [None] * count, pa.large_string()),
            "floats": pa.array(
                [None, *(row if kind == "floats" else None for kind, row in packer.rows)],
                pa.list_(pa.float64()),
            ),
            "integers": pa.array(
                [None, *(row if kind == "integers" else None for kind, row in packer.rows)],
                pa.list_(pa.int64()),
            ),
        }
    )
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(descriptor)
    try:
        pq.write_table(table, temporary, compression="zstd")
        with open(temporary, "rb") as written:  # noqa: PTH123 - a descriptor to sync
            os.fsync(written.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_packed(path: Path) -> Any:
    """Read what `write_packed` wrote.

    Raises:
        UnreadableError: damaged, or written by a version whose values had another form.
        FileNotFoundError: there is no such file.
    """
    import pyarrow as pa  # noqa: PLC0415 - see above
    import pyarrow.parquet as pq  # noqa: PLC0415 - see above

    try:
        columns = pq.read_table(path).to_pydict()
        rows = [None if f is None and i is None else f if i is None else i for f, i in _numbers(columns)]
        return _unpack(json.loads(columns["document"][0]), rows[1:])
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise UnreadableError(f"{path}: {type(error).__name__}: {error}") from None


def fingerprint(value: Any) -> str:
    """A value as text that is equal exactly where the values are, for digests.

    Raises:
        TypeError: as for `write_packed`.
    """
    packer = _Packer()
    return json.dumps([packer.pack(value), packer.rows], sort_keys=True)


def _numbers(columns: dict[str, list[Any]]) -> Any:
    return zip(columns["floats"], columns["integers"], strict=True)


class _Packer:
    """Turns one value into JSON, putting long rows of numbers aside."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, list[Any]]] = []

    def pack(self, value: Any) -> Any:
        """The value as JSON."""
        if isinstance(value, Enum):  # first, as some are texts, too
            return {"enum": _name(value), "name": value.name}
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, (list, tuple)):
            return self._sequence(value)
        if isinstance(value, dict):
            return {"dict": [[self.pack(key), self.pack(item)] for key, item in value.items()]}
        if isinstance(value, (set, frozenset)):
            packed = sorted((self.pack(item) for item in value), key=json.dumps)
            return {"set": packed, "frozen": isinstance(value, frozenset)}
        if isinstance(value, PurePath):
            return {"path": str(value)}
        if dataclasses.is_dataclass(value) and type(value).__module__.startswith(_PACKAGE):
            fields = {f.name: self.pack(getattr(value, f.name)) for f in dataclasses.fields(value)}
            return {"class": _name(value), "fields": fields}
        raise TypeError(f"a {type(value).__name__} can't be kept in a journal")

    def _sequence(self, value: list[Any] | tuple[Any, ...]) -> Any:
        is_tuple = isinstance(value, tuple)
        kinds = {type(item) for item in value} if len(value) >= _SHORTEST else set()
        if kinds in ({float}, {int}):
            kind = _KINDS[0] if kinds == {float} else _KINDS[1]
            if kind == _KINDS[0] or all(-(2**63) <= item < 2**63 for item in value):
                self.rows.append((kind, list(value)))
                return {"row": len(self.rows) - 1, "tuple": is_tuple}
        packed = [self.pack(item) for item in value]
        return {"tuple": packed} if is_tuple else packed


def _unpack(value: Any, rows: list[Any]) -> Any:
    if isinstance(value, list):
        return [_unpack(item, rows) for item in value]
    if not isinstance(value, dict):
        return value
    for key, read in _READERS.items():
        if key in value:
            return read(value, rows)
    raise ValueError("a form that is not known")


def _row(value: dict[str, Any], rows: list[Any]) -> Any:
    return tuple(rows[value["row"]]) if value["tuple"] else rows[value["row"]]


def _tuple(value: dict[str, Any], rows: list[Any]) -> Any:
    return tuple(_unpack(item, rows) for item in value["tuple"])


def _dict(value: dict[str, Any], rows: list[Any]) -> Any:
    return {_unpack(key, rows): _unpack(item, rows) for key, item in value["dict"]}


def _set(value: dict[str, Any], rows: list[Any]) -> Any:
    items = [_unpack(item, rows) for item in value["set"]]
    return frozenset(items) if value["frozen"] else set(items)


def _path(value: dict[str, Any], rows: list[Any]) -> Any:
    del rows
    return Path(value["path"])


def _enum(value: dict[str, Any], rows: list[Any]) -> Any:
    del rows
    found = _named(value["enum"])
    if not issubclass(found, Enum):
        raise TypeError(f"{value['enum']} is no enumeration")
    return found[value["name"]]


def _class(value: dict[str, Any], rows: list[Any]) -> Any:
    found = _named(value["class"])
    if not dataclasses.is_dataclass(found):
        raise TypeError(f"{value['class']} is no dataclass")
    make: Any = found
    return make(**{name: _unpack(item, rows) for name, item in value["fields"].items()})


_READERS: dict[str, Callable[[dict[str, Any], list[Any]], Any]] = {
    "row": _row,
    "class": _class,
    "enum": _enum,
    "dict": _dict,
    "set": _set,
    "path": _path,
    "tuple": _tuple,
}


def _name(value: object) -> str:
    return f"{type(value).__module__}:{type(value).__qualname__}"


def _named(name: str) -> Any:
    module, _, qualified = name.partition(":")
    if not module.startswith(_PACKAGE) or "." in qualified:
        raise ValueError(f"{name} is no class of this package")
    try:
        found = getattr(importlib.import_module(module), qualified)
    except ImportError as error:
        raise ValueError(str(error)) from None
    if not isinstance(found, type):
        raise TypeError(f"{name} is no class")
    return found
