"""Reads the fact tables and answers: what differs between this source and that target?

A table holds rows of three forms: `[[fact]]`, a fact with its states written out; `[[import]]`, names that
moved from one module to others, and `[[gone]]`, modules and names that went; the last two are shorthand for
many facts at once.
"""

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

_STATE_KEYS = {"holds", "engine", "since", "until", "remedy", "to", "values"}
_FACT_KEYS = {
    "id",
    "package",
    "subject",
    "name",
    "effect",
    "safety",
    "because",
    "evidence",
    "precondition",
    "advice",
}
_MOVE_KEYS = {"from", "until", "to", "safety", "names", "advice"}
_GONE_KEYS = {"from", "until", "names", "modules", "advice"}
_MOVES = {
    "safe": "the new place accepts what the old one accepted",
    "unsafe": "the code uses nothing of it that is different in the new place",
}
_COMPARED = "the sources of the releases on either side"


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

    def on_target(self, subject: Subject, name: str, target: Target) -> tuple[Fact, State] | None:
        """What has to be done about a thing on the target, wherever the code comes from; None for nothing."""
        for fact in self._by_subject.get((subject, name), ()):
            state = fact.at(target.version, Engine.V1)
            if state is not None and state.remedy is not Remedy.NONE:
                return fact, state
        return None

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
            if (Subject.IMPORT, name) in self._by_subject:
                return self.on_target(Subject.IMPORT, name, target)
            name = name.rpartition(".")[0]
        return None


def parse_fact(row: dict[str, Any]) -> Fact:
    """One TOML row as a `Fact`.

    Raises:
        FactsError: on an unknown key, a missing key or a bad value.
    """
    name = row.get("id", "?")
    unknown = set(row) - _FACT_KEYS - {"states"}
    if unknown:
        raise FactsError(f"fact {name}: unknown key {min(unknown)}")
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
        raise FactsError(f"fact {fact}: unknown key {min(unknown)} in a state")
    return State(
        holds=row["holds"],
        engine=row.get("engine", "any"),
        since=Version(row["since"]) if "since" in row else None,
        until=Version(row["until"]) if "until" in row else None,
        remedy=Remedy(row.get("remedy", "")),
        to=row.get("to", ""),
        values=dict(row.get("values", {})),
    )


def parse_move(row: dict[str, Any]) -> Iterator[Fact]:
    """One `[[import]]` row as a fact per name.

    Raises:
        FactsError: on an unknown or missing key.
    """
    module = _checked(row, _MOVE_KEYS, "import", row.get("from", "?"))["from"]
    for name in row["names"]:
        gone = Version(row["until"])
        states = [State(holds=f"in {module}", until=gone)]
        for place in sorted(row["to"], key=lambda place: Version(place.get("since", "0"))):
            since = max(gone, Version(place.get("since", "0")))
            until = Version(place["until"]) if "until" in place else None
            if until is not None and until <= since:
                continue  # left again before the old place went
            if since > gone and len(states) == 1:
                states.append(State(holds="nowhere", since=gone, until=since, remedy=Remedy.MANUAL))
            elif len(states) > 1 and states[-1].until is not None and states[-1].until < since:
                states.append(
                    State(holds="nowhere", since=states[-1].until, until=since, remedy=Remedy.MANUAL)
                )
            to = f"{place['module']}.{place.get('name', name)}"
            states.append(
                State(holds=f"in {place['module']}", since=since, until=until, remedy=Remedy.MOVE, to=to)
            )
        if states[-1].until is not None:
            states.append(State(holds="nowhere", since=states[-1].until, remedy=Remedy.MANUAL))
        yield _import_fact(f"{module}.{name}", row["safety"], row.get("advice", ""), states)


def parse_gone(row: dict[str, Any]) -> Iterator[Fact]:
    """One `[[gone]]` row as a fact per module or name.

    Raises:
        FactsError: on an unknown or missing key.
    """
    _checked(row, _GONE_KEYS, "gone", row.get("from", "?"))
    until = Version(row["until"])
    for name in [*row.get("modules", ()), *(f"{row['from']}.{name}" for name in row.get("names", ()))]:
        states = [
            State(holds="there", until=until),
            State(holds="nowhere", since=until, remedy=Remedy.MANUAL),
        ]
        yield _import_fact(name, "manual", row.get("advice", ""), states)


def _checked(row: dict[str, Any], keys: set[str], form: str, name: str) -> dict[str, Any]:
    unknown = set(row) - keys
    if unknown:
        raise FactsError(f"{form} {name}: unknown key {min(unknown)}")
    needed = {"from", "until", "to", "safety", "names"} if form == "import" else {"until"}
    if needed - set(row):
        raise FactsError(f"{form} {name}: no {min(needed - set(row))}")
    return row


def _import_fact(name: str, safety: str, advice: str, states: list[State]) -> Fact:
    return Fact(
        id=f"import:{name}",
        package=name.partition(".")[0],
        subject=Subject.IMPORT,
        name=name,
        effect=Effect.CRASH,
        safety=safety,
        because=f"{name} is no longer there",
        evidence=_COMPARED,
        states=tuple(states),
        precondition=_MOVES.get(safety, ""),
        advice=advice,
    )


@lru_cache(maxsize=1)
def load_facts() -> FactTable:
    """The shipped tables, read once.

    Raises:
        FactsError: where a table is malformed or an id stands twice.
    """
    facts: list[Fact] = []
    for table in sorted(
        resources.files("vllm_migrate.facts").joinpath("tables").iterdir(), key=lambda t: t.name
    ):
        if table.name.endswith(".toml"):
            rows = tomllib.loads(table.read_text(encoding="utf-8"))
            facts.extend(parse_fact(row) for row in rows.get("fact", ()))
            for row in rows.get("import", ()):
                facts.extend(parse_move(row))
            for row in rows.get("gone", ()):
                facts.extend(parse_gone(row))
    seen: set[str] = set()
    for fact in facts:
        if fact.id in seen:
            raise FactsError(f"fact {fact.id} stands twice")
        seen.add(fact.id)
    return FactTable(tuple(facts))
