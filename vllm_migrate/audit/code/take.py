"""What a construction in user code gives the audit: engine arguments, sampling, objective, weight sync."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.audit.code import trl as code_trl
from vllm_migrate.audit.code.objective import by_name, of_trl
from vllm_migrate.audit.code.said import assumed, warnings
from vllm_migrate.audit.code.sampling import IN_SETTINGS, profile
from vllm_migrate.audit.code.settings import is_engine_argument, read_word, sorted_out
from vllm_migrate.audit.code.sites import is_minor, place_of, sampling_calls, sites
from vllm_migrate.audit.code.sync import sync_settings
from vllm_migrate.audit.code.taken import Fate, Taken
from vllm_migrate.audit.code.values import agreed, one_line
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.located import UNRESOLVED, Certainty, Form
from vllm_migrate.files.toml_settings import inline_value
from vllm_migrate.resolve.flow.values import Scalar, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import PurePosixPath

    from vllm_migrate.audit.code.settings import Given
    from vllm_migrate.audit.code.sites import Site, Tree
    from vllm_migrate.audit.code.values import Answers
    from vllm_migrate.facts.model import Target
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Argument, Call


def take(
    tree: Tree,
    answers: Answers,
    site: Site,
    named: Sequence[tuple[PurePosixPath, int | None]],
    target: Target,
) -> Taken:
    """Everything that one construction says, sorted by who takes it.

    Args:
        tree: the project.
        answers: follow its expressions.
        site: the construction.
        named: the files that were asked about, with the line where one was given.
        target: decides what is refused.
    """
    given = list(_given(site, answers, target))
    if site.owner.startswith("trl."):
        engine = list(code_trl.engine_of(given, site, tree, target))
        sampled = list(code_trl.sampling_of(given, site, tree, target))
        clipped = list(code_trl.objective_of(given, site, tree, target))
        settings = [*sorted_out(engine, target), *profile(sampled), *of_trl(clipped)]
        said = (*engine, *sampled, *clipped)
    else:
        sampled = _beside_it(site, answers) or _sampling(tree, answers, site, named)
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


def _given(site: Site, answers: Answers, target: Target) -> Iterator[Given]:
    if site.call is None:
        for argument in site.arguments:
            sure = argument.certainty is Certainty.CERTAIN or site.owner != "engine"
            if sure or is_engine_argument(argument.name, target):
                yield _written(site.file, argument, argument.name, answers)
        return
    wrapped = answers.wrapper(site.place.path, site.call) is not None
    reaching = {argument.name for argument in site.call.arguments}
    for one in answers.arguments(site.place.path, site.call):
        if not wrapped or one[0] in reaching:
            yield one


def _beside_it(site: Site, answers: Answers) -> list[Given]:
    """The sampling parameters among the settings of a mapping that holds an engine's, too."""
    return [
        _written(site.file, argument, IN_SETTINGS[argument.name], answers)
        for argument in site.arguments
        if argument.certainty is not Certainty.CERTAIN and argument.name in IN_SETTINGS
    ]


def _written(facts: FileFacts, argument: Argument, name: str, answers: Answers) -> Given:
    at = place_of(facts, argument.name_span.start)
    written = one_line(argument.value.source)
    worth = argument.value.literal
    if worth is UNRESOLVED and facts.kind is FileKind.YAML:
        mapping = answers.mapping_at(facts.path, argument.name_span)
        worth = mapping.keys[argument.name].plain() if mapping and argument.name in mapping.keys else worth
    if worth is UNRESOLVED and facts.kind is FileKind.TOML:
        worth = inline_value(argument.value.source)
    if facts.kind is FileKind.SHELL or argument.form is Form.FLAG:
        worth = read_word(worth)
    if worth is UNRESOLVED:
        return name, Unknown(f"{written or argument.name} is not a plain value", at), written, at
    return name, Scalar(worth, at), written, at


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
    builders = {other.place.path for other in sites(tree)} - {site.place.path}
    elsewhere = [one for one in found if one[0].path not in builders]  # those belong to engines of their own
    chosen = pointed or beside or [one for one in elsewhere if not is_minor(one[0].path)]
    if len(chosen) > 1:
        chosen = [one for one in chosen if one[1].argument("logprobs") is not None] or chosen
    by_name: dict[str, list[Given]] = {}
    for facts, call in chosen:
        for one in answers.arguments(facts.path, call):
            by_name.setdefault(one[0], []).append(one)
    return [_together(several, len(chosen)) for several in by_name.values()]


def _together(several: Sequence[Given], of: int) -> Given:
    name, _, written, at = several[0]
    values = [value for _, value, _, _ in several]
    if len(values) < of and name:
        values.append(Unknown(f"it is not in all {of} SamplingParams(...)", at))
    return name, agreed(values, at), written, at


def _spans(one: tuple[FileFacts, Call], path: PurePosixPath, line: int) -> bool:
    facts, call = one
    first, last = place_of(facts, call.span.start).line, place_of(facts, call.span.end).line
    return facts.path == path and first <= line <= last
