"""VM302: constrained decoding has other names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, MoveImport, RenameArgument, ReplaceExpression, ReplaceText, Safety
from vllm_migrate.facts.model import Subject
from vllm_migrate.files.located import Form
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding, one_line, since
from vllm_migrate.rules.replacement import replace_argument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Edit, Finding
    from vllm_migrate.files.located import FileFacts, Import
    from vllm_migrate.rules.base import Context

_OLD = "vllm.sampling_params.GuidedDecodingParams"
_NEW = "vllm.sampling_params.StructuredOutputsParams"
_FIELDS = ("backend", "disable_fallback")


class GuidedDecoding(Rule):
    """Decoding is constrained by GuidedDecodingParams, which is called StructuredOutputsParams on the target.

    ## What it does
    Renames the class where it is imported and used, and the argument `guided_decoding=` of `SamplingParams`
    to `structured_outputs=`. Its fields `json`, `regex`, `choice`, `grammar`, `json_object` and
    `whitespace_pattern` keep their names; `backend` belongs to the engine now.

    ## Why it matters
    The import raises. Where it stands under `except ImportError`, the constraint is dropped without a word,
    and the policy trains on text of any form.

    ## Fix safety
    Safe: both classes take these fields and mean the same by them. A field that is gone is left to a person.
    """

    code = "VM302"
    name = "guided-decoding"
    summary = "GuidedDecodingParams is called StructuredOutputsParams"
    level = Level.ERROR
    safety = Safety.SAFE
    examples = (
        Example(
            before=(
                "from vllm import SamplingParams\n"
                "from vllm.sampling_params import GuidedDecodingParams\n"
                "\n"
                'guide = GuidedDecodingParams(regex="[0-9]+")\n'
                "params = SamplingParams(guided_decoding=guide)\n"
            ),
            after=(
                "from vllm import SamplingParams\n"
                "from vllm.sampling_params import StructuredOutputsParams\n"
                "\n"
                'guide = StructuredOutputsParams(regex="[0-9]+")\n'
                "params = SamplingParams(structured_outputs=guide)\n"
            ),
        ),
        Example(
            before=(
                "from vllm.sampling_params import GuidedDecodingParams as Guide\n\n"
                'guide = Guide(choice=["yes", "no"])\n'
            ),
            after=(
                "from vllm.sampling_params import StructuredOutputsParams as Guide\n\n"
                'guide = Guide(choice=["yes", "no"])\n'
            ),
        ),
        Example(
            before=(
                "from vllm.sampling_params import StructuredOutputsParams\n\n"
                'guide = StructuredOutputsParams(regex="[0-9]+", backend="outlines")\n'
            ),
        ),
        Example(
            before=(
                "from vllm.sampling_params import StructuredOutputsParams\n\n"
                'guide = StructuredOutputsParams(regex="[0-9]+")\n'
            ),
            unchanged=True,
        ),
        Example(
            before=(
                "from vllm.sampling_params import GuidedDecodingParams\n"
                "\n"
                "guide = GuidedDecodingParams(json={})\n"
            ),
            unchanged=True,
            target="0.11.0",
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield the imports, arguments and fields to rename."""
        found = context.facts.import_state(_OLD, context.target)
        safety = Safety.UNSAFE if _uses_gone_field(file, context) else Safety.SAFE
        if found:
            fact, state = found
            for name in file.imports:
                if name.qualified == _OLD and not name.dead and not _has_twin(name, file):
                    message = f"GuidedDecodingParams is gone{since(state)}: {fact.because}"
                    yield make_finding(
                        self, file, name.span, message, fact=fact, safety=safety, edits=_rename(name, file)
                    )
        renamed = context.facts.on_target(Subject.SAMPLING_ARGUMENT, "guided_decoding", context.target)
        for argument in file.arguments:
            if argument.dead:
                continue
            if renamed and argument.owner == "sampling" and argument.name == "guided_decoding":
                fact, state = renamed
                edits: tuple[Edit, ...] = ()
                if argument.form in (Form.KEYWORD, Form.DICT):
                    edits = (RenameArgument(argument.span, state.to),)
                yield make_finding(
                    self,
                    file,
                    argument.span,
                    f"guided_decoding is gone{since(state)}: {fact.because}",
                    fact=fact,
                    safety=safety,
                    edits=edits,
                    advice=f"{state.to}={one_line(argument.value.source)}",
                    certainty=argument.certainty,
                )
            elif argument.owner in (_OLD, _NEW) and argument.name in _FIELDS:
                field = context.facts.on_target(
                    Subject.SAMPLING_ARGUMENT, f"guided.{argument.name}", context.target
                )
                if field:
                    fact, state = field
                    replacement = replace_argument(file, argument, state)
                    owner = argument.owner.rpartition(".")[2]
                    yield make_finding(
                        self,
                        file,
                        argument.span,
                        f"{owner}({argument.name}=) is gone{since(state)}: {fact.because}",
                        fact=fact,
                        safety=Safety.SAFE if replacement.edits else None,
                        edits=replacement.edits,
                        certainty=argument.certainty,
                    )


def _uses_gone_field(file: FileFacts, context: Context) -> bool:
    """Whether a constraint is built with a field that the new class doesn't take."""
    return any(
        argument.owner == _OLD
        and argument.name in _FIELDS
        and context.facts.on_target(Subject.SAMPLING_ARGUMENT, f"guided.{argument.name}", context.target)
        for argument in file.arguments
    )


def _has_twin(name: Import, file: FileFacts) -> bool:
    """Whether a guarded import falls back on, or is the fallback of, the new class."""
    return name.guarded and any(
        other is not name and (other.alias == name.alias or other.name == "StructuredOutputsParams")
        for other in file.imports
    )


def _rename(name: Import, file: FileFacts) -> tuple[Edit, ...]:
    """New name at the import and at every use; an alias of the user's stays as it is."""
    if name.alias != name.name:
        return (MoveImport(name.span, "vllm.sampling_params", "StructuredOutputsParams"),)
    if any(other.name == "StructuredOutputsParams" for other in file.imports):
        return ()
    uses = tuple(ReplaceExpression(use, "StructuredOutputsParams") for use in name.uses)
    return (ReplaceText(name.span, "StructuredOutputsParams"), *uses)
