"""VM590: an attribute of an object of vLLM's that the target doesn't have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.facts.model import Subject
from vllm_migrate.files.located import Certainty
from vllm_migrate.resolve import vocabulary as known
from vllm_migrate.rules.backstop.absent import is_expected, is_made, level_of, near, sentence
from vllm_migrate.rules.backstop.ending import instead_of_ending
from vllm_migrate.rules.backstop.reached import instead_of_step
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.facts.surface.compare import Absence
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Attribute, Chain
    from vllm_migrate.rules.base import Context


_ENGINES = ("vllm.LLM", "vllm.LLMEngine", "vllm.AsyncLLMEngine")
_OTHER_OUTPUT = {
    "vllm.CompletionOutput": "vllm.RequestOutput",
    "vllm.RequestOutput": "vllm.CompletionOutput",
}
"""A request's output has completions, and each of the two has fields that are looked for in the other."""
_INNER = {"llm_engine": ("vllm.LLMEngine",), "engine": ("vllm.LLMEngine",)}


class GoneAttribute(Rule):
    """An attribute of sampling parameters, an output or an engine is used that the target's API doesn't have.

    ## What it does
    Looks up what code reads from and sets on `SamplingParams`, `RequestOutput` and `CompletionOutput`, what
    it sets on the arguments of an engine (`engine_args.worker_use_ray = True`), and what it reaches inside an
    engine (`llm.llm_engine.scheduler_config`), in the API of the target, as it was
    extracted from its wheel. What another rule has reported is left out. An engine's `tokenizer` is
    found, too: V0 held a group of tokenizers there. Where the target has by its names what a walk was for, at
    the engine itself or in its configurations, the advice says so.

    ## Why it matters
    Reading the field raises an AttributeError. Setting one raises nothing and does nothing, which is a
    warning; so is a field that no release before the target had.

    ## Fix safety
    Left to a person.
    """

    code = "VM590"
    name = "gone-attribute"
    summary = "an attribute of an object of vLLM's that the target lacks"
    level = Level.ERROR
    safety = Safety.MANUAL
    backstop = True
    examples = (
        Example(
            before=(
                "from vllm import AsyncEngineArgs\n\n\ndef build(ranks):\n"
                '    engine_args = AsyncEngineArgs("m")\n'
                "    if ranks > 1:\n        engine_args.worker_use_ray = True\n    return engine_args\n"
            ),
        ),
        Example(
            before=(
                "from vllm import AsyncEngineArgs\n\n\ndef build(ranks):\n"
                '    engine_args = AsyncEngineArgs("m")\n'
                "    engine_args.tensor_parallel_size = ranks\n    engine_args.note = 1\n"
                "    return engine_args\n"
            ),
            unchanged=True,
        ),
        Example(before='from vllm import LLM\n\nllm = LLM("m")\nlimit = llm.llm_engine.scheduler_config\n'),
        Example(
            before='from vllm import LLM\n\nllm = LLM("m")\nids = llm.llm_engine.tokenizer.encode("a")\n'
        ),
        Example(
            before='from vllm import LLM\n\nllm = LLM("m")\nlimit = llm.llm_engine.model_config\n',
            unchanged=True,
        ),
        Example(
            before=(
                "from vllm import LLM\n\n"
                'llm = LLM("m")\nfor output in llm.generate(["a"]):\n'
                "    print(output.multi_modal_placeholders)\n"
            ),
        ),
        Example(
            before=(
                "from vllm import LLM\n\n"
                'llm = LLM("m")\nfor output in llm.generate(["a"]):\n    print(output.prompt_token_ids)\n'
            ),
            unchanged=True,
        ),
        Example(
            before=(
                "from vllm import LLM\n\n"
                'llm = LLM("m")\nfor output in llm.generate(["a"]):\n'
                "    output.reward = 1.0\n    print(output.reward)\n"
            ),
            unchanged=True,
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield attributes the target lacks."""
        for chain in file.chains:
            yield from self._inside(file, chain, context)
            if "tokenizer" in chain.attributes:
                yield from self._tokenizer(file, chain, context)
        for attribute in file.attributes:
            name = f"{attribute.owner}.{attribute.name}"
            absence = context.api.name(name)
            if absence is None or not context.api.surface.has(attribute.owner):
                continue
            if context.facts.on_target(Subject.SAMPLING_ARGUMENT, attribute.name, context.target):
                continue
            if attribute.owner in known.ARGUMENTS:
                yield from self._assigned_argument(file, attribute, absence, context)
                continue
            level = _level(attribute, absence, file)
            if level is not None:
                yield make_finding(
                    self,
                    file,
                    attribute.span,
                    sentence(name.removeprefix("vllm."), absence, context.api),
                    level=level,
                    advice=_instead(attribute, absence, context),
                    certainty=attribute.certainty,
                )

    def _assigned_argument(
        self, file: FileFacts, attribute: Attribute, absence: Absence, context: Context
    ) -> Iterator[Finding]:
        """A field of an engine's arguments that is set on the object, where the target has no such field.

        One that no release had is the code's own mark.
        """
        if not absence.last:
            return
        found = context.facts.on_target(Subject.ENGINE_ARGUMENT, attribute.name, context.target)
        name = f"{attribute.owner.removeprefix('vllm.')}.{attribute.name}"
        advice = found[0].advice or (f"use {found[1].to}" if found[1].to else "") if found else ""
        yield make_finding(
            self,
            file,
            attribute.span,
            f"{sentence(name, absence, context.api)}: the assignment has no effect",
            level=Level.WARNING,
            advice=advice or "do without it",
            certainty=attribute.certainty,
        )

    def _tokenizer(self, file: FileFacts, chain: Chain, context: Context) -> Iterator[Finding]:
        """A walk to V0's group of tokenizers, which V1's engine does not have."""
        name = "LLMEngine.tokenizer"
        change = context.facts.change(Subject.ATTRIBUTE, name, context.source, context.target)
        to = ("tokenizer",) if chain.owner.endswith("LLMEngine") else ("llm_engine", "tokenizer")
        if change is None or chain.attributes[: len(to)] != to or chain.patched:
            return
        yield make_finding(
            self,
            file,
            chain.span,
            f"{'.'.join((chain.root, *chain.attributes))}: {change.fact.because}",
            fact=change.fact,
            advice=f"{chain.root}.get_tokenizer()",
            certainty=chain.certainty,
        )

    def _inside(self, file: FileFacts, chain: Chain, context: Context) -> Iterator[Finding]:
        """The first step of a walk into an engine that leads nowhere on the target."""
        owners: tuple[str, ...] = _ENGINES
        steps = chain.attributes
        if len(steps) > 1 and steps[0] in _INNER and context.api.member(owners, steps[0]) is None:
            owners, steps = _INNER[steps[0]], steps[1:]
        absence = context.api.member(owners, steps[0])
        if absence is None or not absence.last or is_made(file, steps[0]):
            return
        level = level_of(absence, chain.certainty, expected=is_expected(file, steps[0]))
        if level is not None:
            yield make_finding(
                self,
                file,
                chain.span,
                sentence(
                    f"{steps[0]} of the engine ({'.'.join((chain.root, *chain.attributes))})",
                    absence,
                    context.api,
                ),
                level=level,
                advice=_instead_of_writing(chain, steps)
                or instead_of_ending(file, chain, context)
                or instead_of_step(chain, steps, owners, context),
                certainty=chain.certainty,
            )


def _instead(attribute: Attribute, absence: Absence, context: Context) -> str:
    """The advice about a field of an output or of parameters that isn't there."""
    surface = context.api.surface
    meant = near(absence, attribute.name, surface.members(attribute.owner))
    if meant:
        return f"do without it, or use {meant} if that is meant"
    other = _OTHER_OUTPUT.get(attribute.owner, "")
    if other and attribute.name in surface.members(other):
        return f"{other.removeprefix('vllm.')} has {attribute.name}: read it there, or do without it"
    return "do without it"


def _instead_of_writing(chain: Chain, steps: tuple[str, ...]) -> str:
    """The advice where a setting of a running engine is written; "" where none is."""
    if not chain.patched or len(steps) == 1 or not steps[0].endswith("_config"):
        return ""
    return (
        f"give the engine {steps[-1]} where it is built: it runs in another process, which nothing that is "
        "written here reaches"
    )


def _level(attribute: Attribute, absence: Absence, file: FileFacts) -> Level | None:
    if is_made(file, attribute.name):  # the code's own mark on the object, unless a release had it
        return Level.WARNING if attribute.assigned and absence.last else None
    certainty = Certainty.CERTAIN if absence.last else attribute.certainty
    return level_of(absence, certainty, expected=is_expected(file, attribute.name))
