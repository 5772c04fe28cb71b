"""Reads the shipped surfaces. Importing this reads nothing; a table is read when it is first asked for."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from vllm_migrate.errors import FactsError
from vllm_migrate.facts.surface.codec import damaged, decode_line, decompress, shard_of, split_shards
from vllm_migrate.facts.surface.lookup import Surface
from vllm_migrate.facts.surface.model import Release

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.abc import Traversable

_KEY = re.compile(r'"(\w+)":')


@dataclass(frozen=True)
class Store:
    """All surfaces of one package.

    Attributes:
        directory: where its data lie.
        releases: what was extracted, oldest first.
    """

    package: str
    directory: Traversable = field(repr=False)
    releases: tuple[Release, ...]

    @cached_property
    def names(self) -> Table:
        """Module -> names."""
        return self._table("names.z")

    @cached_property
    def shapes(self) -> Table:
        """Module -> signatures and fields."""
        return self._table("shapes.z")

    def _table(self, name: str) -> Table:
        return Table(self.directory.joinpath(name).read_bytes(), f"{self.package}/{name}")


class Table:
    """One store file; a shard is decompressed and a line parsed when it is asked for.

    Raises:
        FactsError: from the constructor and every method, where the data is damaged.
    """

    def __init__(self, data: bytes, origin: str) -> None:
        self._origin = origin
        self._shards = split_shards(data, origin)
        self._texts: dict[str, str] = {}
        self._lines: dict[str, dict[str, str]] = {}
        self._whole: dict[str, list[Any] | None] = {}
        self._parsed: dict[tuple[str, int], dict[str, Any] | None] = {}

    def payload(self, module: str) -> str | None:
        """A module's line without its name, or None where no release has the module."""
        shard = shard_of(module)
        if shard not in self._shards:
            return None
        if shard not in self._lines:
            pairs = (line.partition("\t") for line in self._text(shard).split("\n"))
            self._lines[shard] = {name: payload for name, _, payload in pairs}
        return self._lines[shard].get(module)

    def at(self, module: str, release: int) -> dict[str, Any] | None:
        """One module's entries in one release, or None where it doesn't exist."""
        key = (module, release)
        if key not in self._parsed:
            line = self._line(module)
            self._parsed[key] = None if line is None else decode_line(line, release)
        return self._parsed[key]

    def _line(self, module: str) -> list[Any] | None:
        if module not in self._whole:
            payload = self.payload(module)
            self._whole[module] = None if payload is None else json.loads(payload)
        return self._whole[module]

    def variants(self, module: str, key: str) -> tuple[Any, ...]:
        """Every value an entry of a module ever had."""
        line = self._line(module)
        entry = None if line is None else line[1].get(key)
        return () if entry is None else tuple(entry.values()) if isinstance(entry, dict) else (entry,)

    def modules(self) -> tuple[str, ...]:
        """Every module of any release."""
        texts = (self._text(shard) for shard in self._shards)
        return tuple(line.partition("\t")[0] for text in texts for line in text.split("\n"))

    def mentioning(self, name: str) -> tuple[str, ...]:
        """Modules whose line holds the key in any release (a text search, so a superset)."""
        found = []
        quoted = f'"{name}":'
        for shard in self._shards:
            text = self._text(shard)
            at = text.find(quoted)
            while at >= 0:
                start = text.rfind("\n", 0, at) + 1
                found.append(text[start : text.index("\t", start)])
                end = text.find("\n", at)
                at = text.find(quoted, end) if end >= 0 else -1
        return tuple(found)

    def spelled(self, name: str) -> tuple[str, ...]:
        """Keys of any release spelled like a name but for case, underscores and plurals (a superset)."""
        return self._spellings.get(_bare(name), ())

    @cached_property
    def _spellings(self) -> Mapping[str, tuple[str, ...]]:
        """Every key of any release, by its letters: one walk answers for all the names of a project."""
        keys = {key for shard in self._shards for key in _KEY.findall(self._text(shard))}
        found: dict[str, tuple[str, ...]] = {}
        for key in sorted(keys):
            letters = _bare(key)
            found[letters] = (*found.get(letters, ()), key)
        return found

    def holders(self, member: str) -> tuple[tuple[str, str], ...]:
        """(module, path) of what has a member of this name in any release: classes by their methods."""
        found = set()
        ending = f'.{member}":'
        for shard in self._shards:
            text = self._text(shard)
            at = text.find(ending)
            while at >= 0:
                start = text.rfind("\n", 0, at) + 1
                found.add((text[start : text.index("\t", start)], text[text.rindex('"', 0, at) + 1 : at]))
                at = text.find(ending, at + 1)
        return tuple(sorted(found))

    def _text(self, shard: str) -> str:
        if shard not in self._texts:
            self._texts[shard] = decompress(self._shards[shard], self._origin)
        return self._texts[shard]


def _bare(name: str) -> str:
    """A name's letters without underscores and every "s": what any plural of it has in common with it."""
    return name.lower().replace("_", "").replace("s", "")


@lru_cache(maxsize=4)
def known_versions(package: str) -> tuple[Version, ...]:
    """The releases whose surfaces are shipped, oldest first.

    Raises:
        FactsError: on a package without surfaces.
    """
    return tuple(Version(release.version) for release in load_store(package).releases)


@lru_cache(maxsize=128)
def load_surface(package: str, version: str) -> Surface:
    """The surface of the newest extracted release that is not newer than `version`.

    `Surface.release.version` says which one that is, `Surface.exact` whether it is the one asked for.

    Raises:
        FactsError: on an unknown package, a version that is none, or one outside the extracted range.
    """
    store = load_store(package)
    known = known_versions(package)
    try:
        wanted = Version(version)
    except InvalidVersion:
        raise FactsError(f"{version!r} is no version") from None
    covered = f"the surfaces reach from {known[0]} to {known[-1]}"
    if wanted < known[0] or wanted > known[-1]:
        raise FactsError(f"nothing is known about the API of {package} {version}", hint=covered)
    index = max(i for i, release in enumerate(known) if release <= wanted)
    return Surface(package, store, index, exact=known[index] == wanted)


@lru_cache(maxsize=4)
def load_store(package: str) -> Store:
    """The store of one package; reads the list of releases only.

    Raises:
        FactsError: on a package without surfaces, or a damaged list.
    """
    directory = resources.files("vllm_migrate.facts.surface").joinpath("data").joinpath(package)
    manifest = directory.joinpath("releases.json")
    if not package.isidentifier() or not manifest.is_file():
        raise FactsError(f"no API surfaces of {package!r} are shipped")
    try:
        rows = json.loads(manifest.read_text(encoding="utf-8"))
        releases = tuple(
            Release(**{**row, "unparsed": tuple(row.get("unparsed", ()))}) for row in rows["releases"]
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        raise damaged(f"{package}/releases.json") from None
    return Store(package, directory, releases)
