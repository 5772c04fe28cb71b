"""VM303: a removed field is assigned, which raises nothing and does nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, ReplaceExpression, Safety
from vllm_migrate.facts.model import Remedy, Subject
from vllm_migrate.rules.backstop.absent import is_expected
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding, since

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Edit, Finding
    from vllm_migrate.facts.model import State
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Attribute
    from vllm_migrate.rules.base import Context


class AssignedRemovedField(Rule):
    """A field of SamplingParams that is gone is assigned or read.

    ## What it does
    Finds `params.best_of = 4`, `params.guided_decoding = guide` and the like, and reads of such fields. A
    field that has another name now gets it. What is assigned only where the field is there is left alone.

    ## Why it matters
    SamplingParams accepts any attribute: the assignment raises nothing and constrains nothing, so the
    rollouts come out unconstrained. Reading the field raises an AttributeError.

    ## Fix safety
    Unsafe for a field that was renamed: its value has to be of the new class, too. Otherwise left to a
    person: whether the assignment may become another one depends on what follows it.
    """

    code = "VM303"
    name = "assigned-removed-field"
    summary = "a removed field of SamplingParams is assigned"
    level = Level.WARNING
    safety = Safety.UNSAFE
    examples = (
        Example(
            before="from vllm import SamplingParams\n\nparams = SamplingParams(n=4)\nparams.best_of = 8\n"
        ),
        Example(
            before=(
                "from vllm import SamplingParams\n\n\ndef constrain(guide):\n"
                "    params = SamplingParams()\n    params.guided_decoding = guide\n    return params\n"
            ),
            after=(
                "from vllm import SamplingParams\n\n\ndef constrain(guide):\n"
                "    params = SamplingParams()\n    params.structured_outputs = guide\n    return params\n"
            ),
            unsafe=True,
        ),
        Example(
            before=(
                "from vllm import SamplingParams\n\nparams = SamplingParams(n=4)\n"
                'if hasattr(params, "use_beam_search"):\n    params.use_beam_search = True\n'
            ),
            unchanged=True,
        ),
        Example(
            before="from vllm import SamplingParams\n\nparams = SamplingParams(n=4)\nparams.n = 8\n",
            unchanged=True,
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield assignments to and reads of removed fields."""
        for attribute in file.attributes:
            if attribute.owner != "vllm.SamplingParams":
                continue
            if attribute.assigned and attribute.name == "logits_processors":
                continue  # a rule of its own says what to write for each processor
            if attribute.assigned and is_expected(file, attribute.name):
                continue  # where it isn't there, it isn't assigned
            found = context.facts.on_target(Subject.SAMPLING_ARGUMENT, attribute.name, context.target)
            if found is None:
                continue
            fact, state = found
            what = "is assigned without effect" if attribute.assigned else "can't be read"
            yield make_finding(
                self,
                file,
                attribute.span,
                f"SamplingParams.{attribute.name} {what}{since(state)}: {fact.because}",
                fact=fact,
                level=Level.WARNING if attribute.assigned else Level.ERROR,
                safety=Safety.UNSAFE,
                edits=_renamed(file, attribute, state),
                advice=fact.advice or f"use {state.to}",
                certainty=attribute.certainty,
            )


def _renamed(file: FileFacts, attribute: Attribute, state: State) -> tuple[Edit, ...]:
    """The edit that writes a renamed field's new name."""
    written = file.text(attribute.span)
    if state.remedy is not Remedy.RENAME or not written.endswith(f".{attribute.name}"):
        return ()
    return (ReplaceExpression(attribute.span, f"{written.removesuffix(attribute.name)}{state.to}"),)
