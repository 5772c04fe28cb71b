"""VM302: constrained decoding has other names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, MoveImport, RenameArgument, ReplaceExpression, ReplaceText, Safety
from vllm_migrate.facts.model import Subject
from vllm_migrate.files.located import Form, Span
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding, one_line, since
from vllm_migrate.rules.removal import remove_argument
from vllm_migrate.rules.replacement import replace_argument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Edit, Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Argument, Import, Reference
    from vllm_migrate.rules.base import Context

_OLD = "vllm.sampling_params.GuidedDecodingParams"
_CLASS = _OLD.rpartition(".")[2]
_NEW = "vllm.sampling_params.StructuredOutputsParams"
_MAKER = "from_optional"
_OWNERS = (_OLD, _NEW, f"{_OLD}.{_MAKER}")
_FIELDS = ("backend", "disable_fallback")


class GuidedDecoding(Rule):
    """Decoding is constrained by GuidedDecodingParams, which is called StructuredOutputsParams on the target.

    ## What it does
    Renames the class where it is imported and used, and the argument `guided_decoding=` of `SamplingParams`
    to `structured_outputs=`. Its fields `json`, `regex`, `choice`, `grammar`, `json_object` and
    `whitespace_pattern` keep their names. `backend` goes: it belongs to the engine now.
    `GuidedDecodingParams.from_optional(...)` becomes a call of the new class, which has no such method.

    ## Why it matters
    The import raises. Where it stands under `except ImportError`, the constraint is dropped without a word,
    and the policy trains on text of any form.

    ## Fix safety
    Safe: both classes take these fields and mean the same by them. Unsafe where a backend was named, since
    the engine chooses another, and for `from_optional`, which made None of nothing where the new class
    raises. Any other field that is gone is left to a person.
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
                "from vllm.sampling_params import GuidedDecodingParams\n\n"
                'guide = GuidedDecodingParams.from_optional(json={"type": "object"}, backend="outlines")\n'
            ),
            after=(
                "from vllm.sampling_params import StructuredOutputsParams\n\n"
                'guide = StructuredOutputsParams(json={"type": "object"})\n'
            ),
            unsafe=True,
        ),
        Example(
            before=(
                "import vllm\n\n\ndef guide(schema):\n"
                "    return vllm.sampling_params.GuidedDecodingParams.from_optional(json=schema)\n"
            ),
            after=(
                "import vllm\n\n\ndef guide(schema):\n"
                "    return vllm.sampling_params.StructuredOutputsParams(json=schema)\n"
            ),
            unsafe=True,
        ),
        Example(
            before=(
                "from vllm.sampling_params import StructuredOutputsParams\n\n"
                'guide = StructuredOutputsParams(regex="[0-9]+", disable_fallback=True)\n'
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
        careful = _uses_gone_field(file, context) or _MAKER.encode() in file.source
        safety = Safety.UNSAFE if careful else Safety.SAFE
        if found:
            fact, state = found
            for name in file.imports:
                if name.qualified == _OLD and not name.dead and not _has_twin(name, file):
                    message = f"GuidedDecodingParams is gone{since(state)}: {fact.because}"
                    yield make_finding(
                        self,
                        file,
                        name.span,
                        message,
                        fact=fact,
                        level=Level.NOTE if name.never_run else None,
                        safety=safety,
                        edits=_rename(name, file),
                    )
            for reference in file.references:
                if reference.qualified in (_OLD, f"{_OLD}.{_MAKER}") and _is_by_module(reference, file):
                    yield make_finding(
                        self,
                        file,
                        reference.span,
                        f"GuidedDecodingParams is gone{since(state)}: {fact.because}",
                        fact=fact,
                        level=Level.NOTE if reference.never_run else None,
                        safety=safety,
                        edits=_respelled(reference, file),
                        advice=_NEW,
                        certainty=reference.certainty,
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
            elif argument.owner in _OWNERS and argument.name in _FIELDS:
                field = context.facts.on_target(
                    Subject.SAMPLING_ARGUMENT, f"guided.{argument.name}", context.target
                )
                if field:
                    fact, state = field
                    replaced = replace_argument(file, argument, state).edits
                    dropped = () if replaced or argument.name != "backend" else _without(file, argument)
                    owner = argument.owner.removesuffix(f".{_MAKER}").rpartition(".")[2]
                    yield make_finding(
                        self,
                        file,
                        argument.span,
                        f"{owner}({argument.name}=) is gone{since(state)}: {fact.because}",
                        fact=fact,
                        safety=Safety.SAFE if replaced else Safety.UNSAFE if dropped else None,
                        edits=replaced or dropped,
                        precondition="the backend that the engine chooses takes this constraint",
                        certainty=argument.certainty,
                    )


def _uses_gone_field(file: FileFacts, context: Context) -> bool:
    """Whether a constraint is built with a field that the new class doesn't take."""
    return any(
        argument.owner in _OWNERS
        and argument.name in _FIELDS
        and context.facts.on_target(Subject.SAMPLING_ARGUMENT, f"guided.{argument.name}", context.target)
        for argument in file.arguments
    )


def _is_by_module(reference: Reference, file: FileFacts) -> bool:
    """Whether the class is named through its module, on no import that is reported already."""
    text = file.text(reference.span)
    own = {name.alias for name in file.imports if name.qualified == _OLD}
    return (
        reference.context == "name"
        and not reference.dead
        and f".{_CLASS}" in text
        and text.partition(".")[0] not in own
    )


def _respelled(reference: Reference, file: FileFacts) -> tuple[Edit, ...]:
    """The new class in place of `module.GuidedDecodingParams`, or of its `from_optional` where called."""
    text = file.text(reference.span)
    if reference.qualified != _OLD:
        if file.source[reference.span.end : reference.span.end + 1] != b"(":
            return ()
        text = text.removesuffix(f".{_MAKER}")
    if not text.endswith(f".{_CLASS}"):
        return ()
    return (ReplaceExpression(reference.span, f"{text.removesuffix(_CLASS)}StructuredOutputsParams"),)


def _has_twin(name: Import, file: FileFacts) -> bool:
    """Whether a guarded import falls back on, or is the fallback of, the new class."""
    return name.guarded and any(
        other is not name and (other.alias == name.alias or other.name == "StructuredOutputsParams")
        for other in file.imports
    )


def _without(file: FileFacts, argument: Argument) -> tuple[Edit, ...]:
    edit = remove_argument(file, argument)
    return (edit,) if edit else ()


def _rename(name: Import, file: FileFacts) -> tuple[Edit, ...]:
    """New name at the import and at every use; an alias of the user's stays as it is."""
    new = "StructuredOutputsParams"
    if name.alias != name.name:
        made = tuple(edit for use in name.uses if (edit := _made(file, use, name.alias)))
        return (MoveImport(name.span, "vllm.sampling_params", new), *made)
    if any(other.name == new for other in file.imports):
        return ()
    uses = tuple(_made(file, use, new) or ReplaceExpression(use, new) for use in name.uses)
    return (ReplaceText(name.span, new), *uses)


def _made(file: FileFacts, use: Span, name: str) -> ReplaceExpression | None:
    """The edit that takes `.from_optional` off a use of the class, where it stands behind it."""
    end = use.end + len(_MAKER) + 1
    behind = file.source[use.end : end + 1]
    return ReplaceExpression(Span(use.start, end), name) if behind == f".{_MAKER}(".encode() else None
