"""From a row of a fact table to `Fact`s.

A table holds rows of four forms: `[[fact]]`, a fact with its states written out; `[[import]]`, names that
moved from one module to others, and `[[gone]]`, modules and names that went; these two are shorthand for
many facts at once. `[[instead]]` is no fact but advice about names that went, whichever row says so.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from vllm_migrate.errors import FactsError
from vllm_migrate.facts.model import Effect, Fact, Remedy, State, Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    "audit",
}
_MOVE_KEYS = {"from", "until", "to", "safety", "names", "advice"}
_GONE_KEYS = {"from", "until", "names", "modules", "advice"}
_INSTEAD_KEYS = {"of", "advice"}
_MOVES = {
    "safe": "the new place accepts what the old one accepted",
    "unsafe": "the code uses nothing of it that is different in the new place",
}
_COMPARED = "the sources of the releases on either side"

_version = lru_cache(maxsize=None)(Version)  # a few dozen releases stand in thousands of states


def facts_in(rows: dict[str, list[dict[str, Any]]]) -> Iterator[tuple[str, str, Callable[[], Fact]]]:
    """Every fact of a table as its subject, its name and what makes it; few of them are ever asked for.

    Raises:
        FactsError: on a missing key; what else is wrong is told when the fact is made.
    """
    try:
        for row in rows.get("fact", ()):
            yield row["subject"], row["name"], partial(parse_fact, row)
        for row in rows.get("import", ()):
            for name in row["names"]:
                yield "import", f"{row['from']}.{name}", partial(_moved, row, name)
        for row in rows.get("gone", ()):
            for name in _gone_names(row):
                yield "import", name, partial(_gone, row, name)
    except KeyError as missing:
        raise FactsError(f"a row has no {missing.args[0]}") from None


def instead_in(rows: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    """What `[[instead]]` rows say, by the name or the module they say it of."""
    return {name: row["advice"] for row in rows.get("instead", ()) for name in row["of"]}


def check_instead(rows: dict[str, list[dict[str, Any]]]) -> None:
    """Look whether all `[[instead]]` rows are well-formed, each about names of its own.

    Raises:
        FactsError: on an unknown or missing key, or a name in two rows.
    """
    seen: set[str] = set()
    for row in rows.get("instead", ()):
        if set(row) != _INSTEAD_KEYS:
            raise FactsError(f"a row about {row.get('of', '?')} has other keys than of and advice")
        for name in row["of"]:
            if name in seen:
                raise FactsError(f"two rows say what is used in place of {name}")
            seen.add(name)


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
            audit=row.get("audit", False),
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
        since=_version(row["since"]) if "since" in row else None,
        until=_version(row["until"]) if "until" in row else None,
        remedy=Remedy(row.get("remedy", "")),
        to=row.get("to", ""),
        values=dict(row.get("values", {})),
    )


def parse_move(row: dict[str, Any]) -> Iterator[Fact]:
    """One `[[import]]` row as a fact per name.

    Raises:
        FactsError: on an unknown or missing key.
    """
    _checked(row, _MOVE_KEYS, "import", row.get("from", "?"))
    for name in row["names"]:
        yield _moved(row, name)


def _moved(row: dict[str, Any], name: str) -> Fact:
    module = row["from"]
    gone = _version(row["until"])
    states = [State(holds=f"in {module}", until=gone)]
    for place in sorted(row["to"], key=lambda place: _version(place.get("since", "0"))):
        since = max(gone, _version(place.get("since", "0")))
        until = _version(place["until"]) if "until" in place else None
        if until is not None and until <= since:
            continue  # left again before the old place went
        if since > gone and len(states) == 1:
            states.append(State(holds="nowhere", since=gone, until=since, remedy=Remedy.MANUAL))
        elif len(states) > 1 and states[-1].until is not None and states[-1].until < since:
            states.append(State(holds="nowhere", since=states[-1].until, until=since, remedy=Remedy.MANUAL))
        to = f"{place['module']}.{place.get('name', name)}"
        states.append(
            State(holds=f"in {place['module']}", since=since, until=until, remedy=Remedy.MOVE, to=to)
        )
    if states[-1].until is not None:
        states.append(State(holds="nowhere", since=states[-1].until, remedy=Remedy.MANUAL))
    return _import_fact(f"{module}.{name}", row["safety"], row.get("advice", ""), states)


def parse_gone(row: dict[str, Any]) -> Iterator[Fact]:
    """One `[[gone]]` row as a fact per module or name.

    Raises:
        FactsError: on an unknown or missing key.
    """
    _checked(row, _GONE_KEYS, "gone", row.get("from", "?"))
    for name in _gone_names(row):
        yield _gone(row, name)


def _gone_names(row: dict[str, Any]) -> list[str]:
    return [*row.get("modules", ()), *(f"{row['from']}.{name}" for name in row.get("names", ()))]


def _gone(row: dict[str, Any], name: str) -> Fact:
    until = _version(row["until"])
    states = [
        State(holds="there", until=until),
        State(holds="nowhere", since=until, remedy=Remedy.MANUAL),
    ]
    return _import_fact(name, "manual", row.get("advice", ""), states)


def _checked(row: dict[str, Any], keys: set[str], form: str, name: str) -> None:
    unknown = set(row) - keys
    if unknown:
        raise FactsError(f"{form} {name}: unknown key {min(unknown)}")
    needed = {"from", "until", "to", "safety", "names"} if form == "import" else {"until"}
    if needed - set(row):
        raise FactsError(f"{form} {name}: no {min(needed - set(row))}")


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
