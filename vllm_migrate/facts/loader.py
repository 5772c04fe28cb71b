"""Reads the fact tables and answers: what differs between this source and that target?"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from vllm_migrate.errors import FactsError
from vllm_migrate.facts.model import Change, Effect, Engine, Fact, Remedy, Source, State, Subject, Target

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator

_STATE_KEYS = {"holds", "engine", "since", "until", "remedy", "to"}
_FACT_KEYS = {"id", "package", "subject", "name", "effect", "safety", "because", "evidence", "precondition", "advice"}


@dataclass(frozen=True)
class FactTable:
    """All facts, indexed by what they are about."""

    facts: tuple[Fact, ...]

    @cached_property
    def _by_subject(self) -> dict[tuple[Subject, str], tuple[Fact, ...]]:
        index: dict[tuple[Subject, str], list[Fact]] = {}
        for fact in self.facts:
            index.setdefault((fact.subject, fact.name), []).append(fact)
        return {key: tuple(rows) for key, rows in index.items()}

    @cached_property
    def by_id(self) -> dict[str, Fact]:
        """Facts by their slug."""
        return {fact.id: fact for fact in self.facts}

    def about(self, subject: Subject) -> Iterator[Fact]:
        """All facts of one kind."""
        return (fact for fact in self.facts if fact.subject is subject)

    def change(self, subject: Subject, name: str, source: Source, target: Target) -> Change | None:
        """The change to one thing on the way from source to target, or None where nothing changes for it."""
        for fact in self._by_subject.get((subject, name), ()):
            before = fact.at(source.version, source.engine)
            after = fact.at(target.version, Engine.V1)
            if (before.holds if before else None) != (after.holds if after else None):
                return Change(fact, before, after)
        return None


def parse_fact(row: dict[str, Any]) -> Fact:
    """One TOML row as a `Fact`.

    Raises:
        FactsError: on an unknown key, a missing key or a bad value.
    """
    name = row.get("id", "?")
    unknown = set(row) - _FACT_KEYS - {"states"}
    if unknown:
        raise FactsError(f"fact {name}: unknown key {sorted(unknown)[0]}")
    try:
        return Fact(
            id=row["id"],
            package=row.get("package", "vllm"),
            subject=Subject(row["subject"]),
            name=row["name"],
            effect=Effect(row["effect"]),
            safety=row["safety"],
            because=row["because"],
            evidence=row["evidence"],
            precondition=row.get("precondition", ""),
            advice=row.get("advice", ""),
            states=tuple(_parse_state(name, state) for state in row["states"]),
        )
    except KeyError as missing:
        raise FactsError(f"fact {name}: no {missing.args[0]}") from None
    except ValueError as bad:
        raise FactsError(f"fact {name}: {bad}") from None


def _parse_state(fact: str, row: dict[str, Any]) -> State:
    unknown = set(row) - _STATE_KEYS
    if unknown:
        raise FactsError(f"fact {fact}: unknown key {sorted(unknown)[0]} in a state")
    return State(
        holds=row["holds"],
        engine=row.get("engine", "any"),
        since=Version(row["since"]) if "since" in row else None,
        until=Version(row["until"]) if "until" in row else None,
        remedy=Remedy(row.get("remedy", "")),
        to=row.get("to", ""),
    )


@lru_cache(maxsize=1)
def load_facts() -> FactTable:
    """The shipped tables, read once.

    Raises:
        FactsError: where a table is malformed or an id stands twice.
    """
    facts: list[Fact] = []
    for table in sorted(resources.files("vllm_migrate.facts").joinpath("tables").iterdir(), key=lambda t: t.name):
        if table.name.endswith(".toml"):
            rows = tomllib.loads(table.read_text(encoding="utf-8")).get("fact", [])
            facts.extend(parse_fact(row) for row in rows)
    seen: set[str] = set()
    for fact in facts:
        if fact.id in seen:
            raise FactsError(f"fact {fact.id} stands twice")
        seen.add(fact.id)
    return FactTable(tuple(facts))
