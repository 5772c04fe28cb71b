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

from vllm_migrate.audit import code_trl
from vllm_migrate.audit.code_objective import by_name, of_trl
from vllm_migrate.audit.code_said import assumed, warnings
from vllm_migrate.audit.code_sampling import profile
from vllm_migrate.audit.code_settings import sorted_out
from vllm_migrate.audit.code_sites import (
    place_of,
    project_root,
    read_tree,
    sampling_calls,
    sites,
    split_place,
)
from vllm_migrate.audit.code_sync import sync_settings
from vllm_migrate.audit.code_values import Answers, agreed, one_line
from vllm_migrate.audit.taken import Fate, Taken
from vllm_migrate.engines import registry
from vllm_migrate.engines.catalogue import parse_spec
from vllm_migrate.errors import InputError, UsageError
from vllm_migrate.facts.model import Target
from vllm_migrate.files.located import UNRESOLVED
from vllm_migrate.resolve.flow.values import Scalar, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path, PurePosixPath

    from vllm_migrate.audit.code_settings import Given
    from vllm_migrate.audit.code_sites import Site, Tree
    from vllm_migrate.files.located import Argument, Call, FileFacts

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
    asked = [split_place(place) for place in places]
    target = Target("vllm", Version(_version_of(v1)))
    folder = next((path for path, _ in asked if path.is_dir()), None)
    first = asked[0][0]
    tree = read_tree(folder if folder is not None else project_root(first), target)
    named = tuple((_known(tree, path), line) for path, line in asked if not path.is_dir())
    settings = tuple(
        path for path, line in named if line is None and path.suffix in (".yaml", ".yml") and len(named) > 1
    )
    answers = Answers(tree, settings)
    every = _outermost(sites(tree), answers)
    candidates = [one for one in named if one[0] not in settings]
    if ordinal is not None and candidates:
        beside = [site for site in every if site.place.path == candidates[0][0]]
        site = beside[ordinal] if ordinal < len(beside) else _choose(every, candidates, first)
    else:
        site = _choose(every, candidates, first)
    taken = replace(
        _take(tree, answers, site, named, target), places=tuple(places), ordinal=_ordinal(every, site)
    )
    return Found(taken, site, tree, answers, target, taken.ordinal, named, settings)


def found_again(found: Found, tree: Tree) -> Taken | None:
    """The same construction in a tree that was edited; None where it is gone."""
    answers = Answers(tree, found.settings)
    every = [s for s in _outermost(sites(tree), answers) if s.place.path == found.site.place.path]
    if found.ordinal >= len(every):
        return None
    return _take(tree, answers, every[found.ordinal], found.named, found.target)


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


# What it is given


def _take(
    tree: Tree,
    answers: Answers,
    site: Site,
    named: Sequence[tuple[PurePosixPath, int | None]],
    target: Target,
) -> Taken:
    given = list(_given(site, answers))
    if site.owner.startswith("trl."):
        engine = list(code_trl.engine_of(given, site, tree, target))
        sampled = list(code_trl.sampling_of(given, site, tree, target))
        clipped = list(code_trl.objective_of(given, site, tree, target))
        settings = [*sorted_out(engine, target), *profile(sampled), *of_trl(clipped)]
        said = (*engine, *sampled, *clipped)
    else:
        sampled = _sampling(tree, answers, site, named)
        settings = [*sorted_out(given, target), *profile(sampled)]
        files = dict.fromkeys([path for path, _ in named] + [one.place.path for one in settings])
        settings += by_name(answers, files)
        said = (*given, *sampled)
    settings += sync_settings(tree.facts.values())
    taken = [setting for setting in settings if setting.fate is Fate.TAKEN]
    return Taken(
        site.place,
        site.what,
        tuple(settings),
        {one.name: one.value for one in taken if one.part == "engine"},
        {one.option: one.value for one in taken if one.option},
        assumed(said, settings),
        tuple(warnings(settings, site, target)),
    )


def _given(site: Site, answers: Answers) -> Iterator[Given]:
    if site.call is None:
        for argument in site.arguments:
            yield _written(site.file, argument)
        return
    wrapped = answers.wrapper(site.place.path, site.call) is not None
    reaching = {argument.name for argument in site.call.arguments}
    for one in answers.arguments(site.place.path, site.call):
        if not wrapped or one[0] in reaching:
            yield one


def _written(facts: FileFacts, argument: Argument) -> Given:
    at = place_of(facts, argument.span.start)
    written = one_line(argument.value.source)
    if argument.value.literal is UNRESOLVED:
        return argument.name, Unknown(f"{written or argument.name} is not a plain value", at), written, at
    return argument.name, Scalar(argument.value.literal, at), written, at


def _sampling(
    tree: Tree, answers: Answers, site: Site, named: Sequence[tuple[PurePosixPath, int | None]]
) -> list[Given]:
    """The sampling parameters that go with an engine: those named, else those beside it, else all there are.

    Of several, those that ask for logprobs count, since only rollouts that are trained on do. What they
    disagree about is not resolved.
    """
    found = [
        (facts, call)
        for facts, call in sampling_calls(tree)
        if answers.wrapper(facts.path, call) is None and (call.arguments or call.open_ended)
    ]
    pointed = [one for one in found if any(_spans(one, path, line) for path, line in named if line)]
    beside = [one for one in found if one[0].path == site.place.path]
    chosen = pointed or beside or [one for one in found if not _minor(one[0].path)]
    if len(chosen) > 1:
        chosen = [one for one in chosen if one[1].argument("logprobs") is not None] or chosen
    by_name: dict[str, list[Given]] = {}
    for facts, call in chosen:
        for one in answers.arguments(facts.path, call):
            by_name.setdefault(one[0], []).append(one)
    return [_together(several) for several in by_name.values()]


def _together(several: Sequence[Given]) -> Given:
    name, _, written, at = several[0]
    return name, agreed([value for _, value, _, _ in several], at), written, at


def _spans(one: tuple[FileFacts, Call], path: PurePosixPath, line: int) -> bool:
    facts, call = one
    first, last = place_of(facts, call.span.start).line, place_of(facts, call.span.end).line
    return facts.path == path and first <= line <= last


def _minor(path: PurePosixPath) -> bool:
    return any(part in ("test", "tests", "examples") for part in path.parts[:-1])
