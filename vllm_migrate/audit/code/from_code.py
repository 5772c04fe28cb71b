"""Reads the candidate's settings out of the user's own code. Nothing of it is run.

What is written or can be followed to where it is written is taken: literals, constants, parameters through
their callers, dataclass and option defaults, YAML keys. What the code computes is named and left out; so is
what only concerns where the code runs (paths, parallelism, workers), and what the target version refuses,
which would crash it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.version import Version

from vllm_migrate.audit.code.settings import is_engine_argument
from vllm_migrate.audit.code.sites import (
    project_root,
    read_tree,
    sites,
    split_place,
)
from vllm_migrate.audit.code.take import take
from vllm_migrate.audit.code.values import Answers
from vllm_migrate.engines import registry
from vllm_migrate.engines.catalogue import parse_spec
from vllm_migrate.errors import InputError, UsageError
from vllm_migrate.facts.model import Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path, PurePosixPath

    from vllm_migrate.audit.code.sites import Site, Tree
    from vllm_migrate.audit.code.taken import Taken

_NAMED = 8


@dataclass(frozen=True, slots=True)
class Found:
    """A construction with all that was read on the way to it.

    Attributes:
        ordinal: which construction of its file it is, counted from 0: edits elsewhere don't change it.
        named: the files that were asked about, with the line where one was given.
    """

    taken: Taken
    site: Site
    tree: Tree
    answers: Answers
    target: Target
    ordinal: int
    named: tuple[tuple[PurePosixPath, int | None], ...] = ()
    settings: tuple[PurePosixPath, ...] = ()


def read_code(places: Sequence[str], v1: str) -> Taken:
    """The settings of the engine that is built at one of the places.

    Args:
        places: `PATH[:LINE]`: the file or directory the engine is built in, with the line where there are
            several; beside it, the line of the sampling parameters, or the YAML file that is in use.
        v1: the candidate engine, whose version decides what is refused.

    Raises:
        UsageError: no engine is built there, or several are and no line was given.
        InputError: a path can't be read.
    """
    return find(places, v1).taken


def find(places: Sequence[str], v1: str, *, ordinal: int | None = None) -> Found:
    """As `read_code`, with what an edit needs.

    Args:
        places: see `read_code`.
        v1: the candidate engine.
        ordinal: of the construction in its file, which then goes before its line.

    Raises:
        UsageError: no engine is built there, or several are and no line was given.
        InputError: a path can't be read.
    """
    try:
        return _find(places, v1, ordinal)
    except RecursionError:
        raise InputError(f"{places[0]}: nested too deeply to be followed") from None


def _find(places: Sequence[str], v1: str, ordinal: int | None) -> Found:
    asked = [split_place(place) for place in places]
    target = Target("vllm", Version(_version_of(v1)))
    folder = next((path for path, _ in asked if path.is_dir()), None)
    first = asked[0][0]
    code = next((path for path, _ in asked if path.suffix in (".py", ".ipynb")), None)
    if folder is not None:
        roots = [folder]
    else:  # a script or settings alone are read without the project around them
        roots = [project_root(code)] if code is not None else [path for path, _ in asked]
    tree = read_tree(roots, target)
    named = tuple((_known(tree, path), line) for path, line in asked if not path.is_dir())
    settings = tuple(
        path for path, line in named if line is None and path.suffix in (".yaml", ".yml") and len(named) > 1
    )
    answers = Answers(tree, settings)
    every = _outermost(_engines(tree, target), answers)
    candidates = [one for one in named if one[0] not in settings]
    if ordinal is not None and candidates:
        beside = [site for site in every if site.place.path == candidates[0][0]]
        site = beside[ordinal] if ordinal < len(beside) else _choose(every, candidates, first)
    else:
        site = _choose(every, candidates, first)
    taken = replace(
        take(tree, answers, site, named, target), places=tuple(places), ordinal=_ordinal(every, site)
    )
    return Found(taken, site, tree, answers, target, taken.ordinal, named, settings)


def found_again(found: Found, tree: Tree) -> Taken | None:
    """The same construction in a tree that was edited; None where it is gone."""
    answers = Answers(tree, found.settings)
    every = [
        s for s in _outermost(_engines(tree, found.target), answers) if s.place.path == found.site.place.path
    ]
    if found.ordinal >= len(every):
        return None
    return take(tree, answers, every[found.ordinal], found.named, found.target)


def _ordinal(every: Sequence[Site], site: Site) -> int:
    return [one for one in every if one.place.path == site.place.path].index(site)


def _version_of(v1: str) -> str:
    engine = registry.find(v1)
    return engine.version if engine is not None else parse_spec(v1).version


def _known(tree: Tree, path: Path) -> PurePosixPath:
    found = tree.named(path)
    if found is None:
        raise InputError(f"{path}: not a kind of file that can be read, or excluded in {tree.root}")
    if found not in tree.facts and found.suffix == ".py":
        from vllm_migrate.files.python import parse_python  # noqa: PLC0415 - only to say what is wrong with it

        parse_python(found, tree.sources[found])
    return found


# Which construction


def _choose(every: Sequence[Site], named: Sequence[tuple[PurePosixPath, int | None]], asked: Path) -> Site:
    found = list(every)
    if named:
        found = [site for site in every if any(_meant(site, path, line) for path, line in named)]
        lined = [(path, line) for path, line in named if line is not None]
        if not found and lined:
            here = [site for site in every if site.place.path == lined[0][0]]
            where = f"; lines {_lines(here)} do" if here else ""
            raise UsageError(f"{asked}:{lined[0][1]} constructs no vLLM engine{where}")
    else:
        found = _likeliest(every)
    if not found:
        raise UsageError(f"{asked} constructs no vLLM engine", hint="name the file that calls LLM(...)")
    if len(found) > 1:
        raise UsageError(_several(found, asked), hint="add :LINE" if named else "name one as FILE:LINE")
    return found[0]


def _likeliest(every: Sequence[Site]) -> list[Site]:
    """Of all constructions in a tree those that train: not in tests, and no settings without code."""
    for likely in (
        [site for site in every if not site.minor and not site.loose],
        [site for site in every if not site.minor],
    ):
        if likely:
            return likely
    return list(every)


def _meant(site: Site, path: PurePosixPath, line: int | None) -> bool:
    return site.place.path == path and (line is None or site.place.line <= line <= site.last)


def _engines(tree: Tree, target: Target) -> list[Site]:
    """All constructions; a mapping that only has an engine's name has to have one of its arguments, too."""
    return [
        site
        for site in sites(tree)
        if not site.loose or any(is_engine_argument(one.name, target) for one in site.arguments)
    ]


def _outermost(found: Sequence[Site], answers: Answers) -> list[Site]:
    """Without the constructions inside the project's wrappers whose arguments are written further out."""
    inner: list[tuple[PurePosixPath, int, int]] = []
    for site in found:
        if site.call is None or site.owner != "engine":
            continue
        wrapper = answers.wrapper(site.place.path, site.call)
        if wrapper is not None:
            end = wrapper.node.end_lineno or wrapper.node.lineno
            inner.append((wrapper.module.path, wrapper.node.lineno, end))
    return [
        site
        for site in found
        if not any(
            path == site.place.path and first <= site.place.line <= last for path, first, last in inner
        )
    ]


def _lines(found: Iterable[Site]) -> str:
    return ", ".join(str(site.place.line) for site in found)


def _several(found: Sequence[Site], asked: Path) -> str:
    if len({site.place.path for site in found}) == 1:
        return f"{asked} constructs {len(found)} engines, at lines {_lines(found)}"
    listed = ", ".join(f"{site.place} ({site.what})" for site in found[:_NAMED])
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"{asked} constructs {len(found)} engines: {listed}{more}"
