"""The fact tables, and the answer to: what differs between this source and that target?

The tables are TOML, for people to read and write. `compiled.json` beside them holds the same rows, because
reading TOML takes longer than checking a small project. It's used only where the checksum in it is that of
the tables, so that it can be out of date but never wrong; `python -m vllm_migrate.facts.loader` writes it.
"""

from __future__ import annotations

import json
import sys
import zlib
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vllm_migrate.errors import FactsError
from vllm_migrate.facts.model import Change, Engine, Fact, Remedy, Source, State, Subject, Target
from vllm_migrate.facts.rows import check_instead, facts_in, instead_in, parse_fact, parse_gone, parse_move

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

Rows = dict[str, list[dict[str, Any]]]

TABLES = Path(__file__).with_name("tables")
COMPILED = TABLES / "compiled.json"
_IMPORT = Subject.IMPORT.value  # asked for by every name of every file


class FactTable:
    """All facts, by what they are about. A fact is made when it is asked for: a run needs few of them.

    Args:
        rows: the rows of all tables, by their form.
    """

    def __init__(self, rows: Rows) -> None:
        self._makers: dict[tuple[str, str], list[Callable[[], Fact]]] = {}
        self._made: dict[tuple[str, str], tuple[Fact, ...]] = {}
        self._rows = rows
        for subject, name, make in facts_in(rows):
            self._makers.setdefault((subject, name), []).append(make)

    @cached_property
    def facts(self) -> tuple[Fact, ...]:
        """All of them."""
        return tuple(fact for subject in Subject for fact in self.about(subject))

    def about(self, subject: Subject) -> Iterator[Fact]:
        """All facts of one kind."""
        for kind, name in self._makers:
            if kind == subject.value:
                yield from self._named(subject, name)

    def _named(self, subject: Subject, name: str) -> tuple[Fact, ...]:
        key = (subject.value, name)
        if key not in self._made:
            self._made[key] = tuple(make() for make in self._makers.get(key, ()))
        return self._made[key]

    def knows(self, subject: Subject, name: str) -> bool:
        """Whether there is a row about a thing."""
        return (subject.value, name) in self._makers

    def change(self, subject: Subject, name: str, source: Source, target: Target) -> Change | None:
        """The change to one thing on the way from source to target, or None where nothing changes for it."""
        for fact in self._named(subject, name):
            before = fact.at(source.version, source.engine)
            after = fact.at(target.version, Engine.V1)
            if (before.holds if before else None) != (after.holds if after else None):
                return Change(fact, before, after)
        return None

    def on_target(self, subject: Subject, name: str, target: Target) -> tuple[Fact, State] | None:
        """What has to be done about a thing on the target, wherever the code comes from; None for nothing."""
        for fact in self._named(subject, name):
            state = fact.at(target.version, Engine.V1)
            if state is not None and state.remedy is not Remedy.NONE:
                return fact, state
        return None

    @cached_property
    def instead(self) -> Mapping[str, str]:
        """What does the work now of names and modules that went, where nothing is named like them."""
        return instead_in(self._rows)

    def import_state(self, qualified: str, target: Target) -> tuple[Fact, State] | None:
        """What became of an importable name on the target.

        What the target lacks can't be imported, whatever the source is.

        Args:
            qualified: "vllm.worker.worker.Worker"; attributes of a name may follow it.
            target: where the code goes.

        Returns:
            The fact, about the name itself or about a parent that went with it, and its state on the
            target; None where nothing is known to have changed.
        """
        name = qualified
        while "." in name:
            if (_IMPORT, name) in self._makers:
                return self.on_target(Subject.IMPORT, name, target)
            name = name.rpartition(".")[0]
        return None


@lru_cache(maxsize=1)
def load_facts() -> FactTable:
    """The shipped tables, read once.

    Raises:
        FactsError: where a table is malformed or an id stands twice.
    """
    tables = _read_tables()
    checksum = _checksum(tables)
    try:
        compiled = json.loads(COMPILED.read_bytes())
    except (OSError, ValueError):
        compiled = {}
    return FactTable(compiled["rows"] if compiled.get("checksum") == checksum else _parsed(tables))


def compile_tables() -> str:
    """What `compiled.json` should hold: the tables as they are, checked.

    Raises:
        FactsError: as `load_facts`.
    """
    tables = _read_tables()
    compiled = {"checksum": _checksum(tables), "rows": _parsed(tables)}
    return json.dumps(compiled, indent=1) + "\n"


def _read_tables() -> list[bytes]:
    return [path.read_bytes() for path in sorted(TABLES.glob("*.toml"))]


def _checksum(tables: Iterable[bytes]) -> int:
    """Against forgetting to compile, not against malice: a CRC is enough."""
    total = 0
    for table in tables:
        total = zlib.crc32(table, total)
    return total


def _parsed(tables: Iterable[bytes]) -> Rows:
    """The rows of all tables, every one of them made into facts once to see that it can be."""
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415 - only where the compiled tables are out of date
    else:
        import tomli as tomllib  # noqa: PLC0415 - as above
    rows: Rows = {"fact": [], "import": [], "gone": []}
    for table in tables:
        for form, found in tomllib.loads(table.decode()).items():
            rows.setdefault(form, []).extend(found)
    check_instead(rows)
    seen: set[str] = set()
    for fact in _made(rows):
        if fact.id in seen:
            raise FactsError(f"fact {fact.id} stands twice")
        seen.add(fact.id)
    return rows


def _made(rows: Rows) -> Iterator[Fact]:
    for row in rows["fact"]:
        yield parse_fact(row)
    for row in rows["import"]:
        yield from parse_move(row)
    for row in rows["gone"]:
        yield from parse_gone(row)


if __name__ == "__main__":
    COMPILED.write_text(compile_tables(), encoding="utf-8")
