"""What frameworks call their metrics, and the common word for each (metrics.toml)."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from vllm_migrate.did_you_mean import did_you_mean
from vllm_migrate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_PREFIX = "train/"


@dataclass(frozen=True, slots=True)
class Word:
    """A metric by its common word.

    Attributes:
        name: "clip_rate".
        label: as reports write it.
        unit: "nats", "share", "tokens", "steps" or "".
        wanted: which way is a good run's, "up" or "down"; "" where neither is.
        judged: whether it is compared without being asked for.
        meaning: one line.
    """

    name: str
    label: str
    unit: str = ""
    wanted: str = ""
    judged: bool = True
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Framework:
    """Names of one framework, each with its word; where they were read."""

    name: str
    source: str
    names: Mapping[str, str]


@lru_cache(maxsize=1)
def words() -> dict[str, Word]:
    """The common words, in the order of their importance."""
    return {name: Word(name, **entry) for name, entry in _table()["words"].items()}


@lru_cache(maxsize=1)
def frameworks() -> tuple[Framework, ...]:
    """What is known of frameworks, in the order in which a word's names are tried."""
    return tuple(Framework(row["framework"], row["source"], row["names"]) for row in _table()["names"])


def word_for(name: str) -> Word:
    """A common word by its name; a name that is none stands for itself."""
    return words().get(name) or Word(name, name)


def own_names(pairs: Iterable[str]) -> dict[str, str]:
    """What `--metric theirs=ours` says.

    Raises:
        UsageError: a pair has no equals sign, or no name on a side.
    """
    made = {}
    for pair in pairs:
        theirs, found, ours = pair.rpartition("=")
        if not found or not theirs.strip() or not ours.strip():
            raise UsageError(
                f"--metric {pair}: must be THEIRS=OURS", hint="such as --metric my/clipped=clip_rate"
            )
        made[theirs.strip()] = ours.strip()
    return made


def tolerances(pairs: Iterable[str]) -> dict[str, float]:
    """What `--tolerance NAME=VALUE` says.

    Raises:
        UsageError: a pair is none, or its value no number from 0 on.
    """
    made = {}
    for pair in pairs:
        name, _, value = pair.rpartition("=")
        try:
            made[name.strip()] = float(value)
        except ValueError:
            made[name.strip()] = -1.0
        if not name.strip() or not made[name.strip()] >= 0:
            raise UsageError(
                f"--tolerance {pair}: must be NAME=VALUE", hint="such as --tolerance kl_old=0.001"
            )
    return made


def by_word(names: Iterable[str], own: Mapping[str, str]) -> dict[str, str]:
    """For each common word the name that a run uses; names without a word stand for themselves.

    Args:
        names: of a run's metrics.
        own: the user's names and their words; they come first.
    """
    there = dict.fromkeys(names)
    made = {ours: theirs for theirs, ours in own.items() if theirs in there}
    used = set(made.values())
    for framework in frameworks():
        for theirs, word in framework.names.items():
            for name in (theirs, _PREFIX + theirs):
                if name in there and name not in used and word not in made:
                    made[word] = name
                    used.add(name)
    for name in there:
        plain = name.removeprefix(_PREFIX)
        if name not in used and not _known(name):
            made.setdefault(plain if plain not in there else name, name)
    return made


def asked_for(common: Sequence[str], only: Sequence[str]) -> list[str]:
    """The metrics of `--only`, in its order.

    Raises:
        UsageError: one of them is not among those that both sides have.
    """
    for name in only:
        if name not in common:
            hint = did_you_mean(name, common, otherwise=f"both sides have {', '.join(common) or 'none'}")
            raise UsageError(f"--only {name}: not logged by every run", hint=hint)
    return list(dict.fromkeys(only))


def _known(name: str) -> bool:
    """Whether a name stands for a word that another name of the same run has taken."""
    return any(n in f.names for f in frameworks() for n in (name, name.removeprefix(_PREFIX)))


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    sheet = resources.files("vllm_migrate.watch").joinpath("metrics.toml")
    made: dict[str, Any] = tomllib.loads(sheet.read_text(encoding="utf-8"))
    return made
