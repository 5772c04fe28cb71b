"""Delta coding: many releases of nested tables in one file, in compressed shards of one line per module.

A line is `module<TAB>[ranges, {key: entry}]`. `ranges` says in which releases the module exists, as
half-open ranges of indices into the list of releases: "0-5,7-" is the first five and everything from the
eighth on. An entry is the value itself where it held in all of the module's releases, else an object
{ranges: value}. Reading one module of one release parses one line.

The file is a line of JSON, {shard: length}, and the shards' zlib streams one after another, so that a
lookup in one part of a package decompresses that part only.
"""

from __future__ import annotations

import json
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from vllm_migrate.errors import FactsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def shard_of(module: str) -> str:
    """The shard a module lies in: its first two components, three below `model_executor`."""
    parts = module.split(".")
    return ".".join(parts[: 3 if parts[1:2] == ["model_executor"] else 2])


def encode(tables: Sequence[Mapping[str, Mapping[str, Any]]]) -> bytes:
    """The store of the given releases, oldest first. Values are strings or lists, never objects."""
    shards: dict[str, list[str]] = {}
    for module in sorted(set().union(*tables)):
        present = [index for index, table in enumerate(tables) if module in table]
        entries = {}
        keys: dict[str, None] = {}
        for index in present:
            keys.update(dict.fromkeys(tables[index][module]))
        for key in keys:
            variants: dict[str, tuple[Any, list[int]]] = {}
            for index in present:
                if key in tables[index][module]:
                    value = tables[index][module][key]
                    variants.setdefault(json.dumps(value), (value, []))[1].append(index)
            if len(variants) == 1 and next(iter(variants.values()))[1] == present:
                entries[key] = next(iter(variants.values()))[0]
            else:
                entries[key] = {
                    format_ranges(indices, len(tables)): value for value, indices in variants.values()
                }
        payload = json.dumps([format_ranges(present, len(tables)), entries], separators=(",", ":"))
        shards.setdefault(shard_of(module), []).append(f"{module}\t{payload}")
    streams = {shard: zlib.compress("\n".join(lines).encode(), 9) for shard, lines in shards.items()}
    header = json.dumps({shard: len(stream) for shard, stream in streams.items()}, separators=(",", ":"))
    return b"\n".join([header.encode(), b"".join(streams.values())])


def split_shards(data: bytes, origin: str) -> dict[str, bytes]:
    """The compressed shards of a store.

    Raises:
        FactsError: where the data is damaged; `origin` names it.
    """
    header, _, body = data.partition(b"\n")
    try:
        lengths: dict[str, int] = json.loads(header)
        whole = sum(lengths.values()) == len(body)
    except (ValueError, AttributeError, TypeError):
        raise damaged(origin) from None
    if not whole:
        raise damaged(origin)
    shards = {}
    start = 0
    for shard, length in lengths.items():
        shards[shard] = body[start : start + length]
        start += length
    return shards


def decompress(stream: bytes, origin: str) -> str:
    """The text of one shard.

    Raises:
        FactsError: where the data is damaged; `origin` names it.
    """
    try:
        return zlib.decompress(stream).decode()
    except (zlib.error, UnicodeDecodeError):
        raise damaged(origin) from None


def damaged(origin: str) -> FactsError:
    """What to raise where shipped data can't be read."""
    return FactsError(f"the surface data in {origin} is damaged", hint="reinstall vllm-migrate")


def decode_line(line: Sequence[Any], release: int) -> dict[str, Any] | None:
    """One module's table in one release, or None where the module doesn't exist there.

    Args:
        line: the module's line without its name, parsed.
        release: index into the list of releases.
    """
    ranges, entries = line
    if not covers(ranges, release):
        return None
    table = {}
    for key, entry in entries.items():
        if isinstance(entry, dict):
            for variant, value in entry.items():
                if covers(variant, release):
                    table[key] = value
                    break
        else:
            table[key] = entry
    return table


def last_index(payload: str, key: str | None, before: int) -> int | None:
    """The newest release before `before` that has the module (and the key in it), or None."""
    ranges, entries = json.loads(payload)
    spans = [ranges]
    if key is not None:
        entry = entries.get(key)
        if entry is None:
            return None
        if isinstance(entry, dict):
            spans = list(entry)
    return max(
        (index for index in range(before) if any(covers(span, index) for span in spans)),
        default=None,
    )


def format_ranges(indices: Iterable[int], count: int) -> str:
    """Ascending indices as half-open ranges; the one that reaches the newest release stays open."""
    spans: list[list[int]] = []
    for index in indices:
        if spans and spans[-1][1] == index:
            spans[-1][1] = index + 1
        else:
            spans.append([index, index + 1])
    return ",".join(f"{start}-{'' if stop == count else stop}" for start, stop in spans)


@lru_cache(maxsize=4096)
def covers(ranges: str, index: int) -> bool:
    """Whether an index lies in ranges that `format_ranges` wrote; few differ, and each stands many times."""
    for span in ranges.split(","):
        start, _, stop = span.partition("-")
        if int(start) <= index and (not stop or index < int(stop)):
            return True
    return False
