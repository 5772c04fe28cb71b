"""VM404: what is refused raises an exception that is no ValueError."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import AddImport, Level, ReplaceExpression, Safety
from vllm_migrate.facts.model import Subject
from vllm_migrate.files.python import parse_python
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding
from vllm_migrate.rules.scope import is_visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Edit, Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Call, Span
    from vllm_migrate.rules.base import Context

_NAME = "VLLMValidationError"
_WIDE = frozenset({"Exception", "BaseException", _NAME, "VLLMError", "VLLMClientError"})
_REFUSING = ("generate", "chat", "encode", "add_request", "beam_search", "score", "classify", "embed")
_HEAD = "from vllm import LLM\n"
_TRY = (
    "\n\ndef sample(llm: LLM, prompts):\n    try:\n        return llm.generate(prompts)\n"
    "    except {caught}:\n        return []\n"
)


class ValidationError(Rule):
    """A ValueError of vLLM's is caught, which raises another class now.

    ## What it does
    Finds `except ValueError` around `SamplingParams(...)`, `generate()`, `chat()` and other calls that
    refuse bad parameters and over-long prompts, and lets it catch `VLLMValidationError` as well.

    ## Why it matters
    Since 0.27.0 that class is no ValueError: code that skipped a prompt which is too long ends instead. One
    such prompt still fails the whole call.

    ## Fix safety
    Unsafe: something else in the block may have been meant.
    """

    code = "VM404"
    name = "validation-error"
    summary = "refused parameters and prompts raise no ValueError"
    level = Level.ERROR
    safety = Safety.UNSAFE
    examples = (
        Example(
            before=f"{_HEAD}{_TRY.format(caught='ValueError')}",
            after=(
                f"{_HEAD}from vllm.exceptions import {_NAME}\n{_TRY.format(caught=f'(ValueError, {_NAME})')}"
            ),
            unsafe=True,
        ),
        Example(before=f"{_HEAD}{_TRY.format(caught='Exception')}", unchanged=True),
        Example(before=f"{_HEAD}{_TRY.format(caught='ValueError')}", unchanged=True, target="0.26.0"),
        Example(
            before=f'{_HEAD}\nllm = LLM("m")\ntry:\n    n = int("a")\nexcept ValueError:\n    n = 0\n',
            unchanged=True,
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield handlers that no longer catch what vLLM raises."""
        found = context.facts.on_target(Subject.BEHAVIOUR, "validation-error", context.target)
        if found is None or b"ValueError" not in file.source:
            return
        calls = [call for call in file.calls if not call.dead and _refuses(call)]
        if not calls:
            return
        fact, state = found
        parsed = parse_python(file.path, file.source)
        for node in ast.walk(parsed.module):
            if not isinstance(node, ast.Try):
                continue
            inside = [c for c in calls if any(_lies_in(c.span, parsed.text.span(s)) for s in node.body)]
            caught = _value_error(node)
            if not inside or caught is None:
                continue
            span = parsed.text.span(caught)
            names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
            listed = ", ".join([*map(ast.unparse, names), _NAME])
            yield make_finding(
                self,
                file,
                span,
                f"except {file.text(span)} around {file.text(inside[0].callee)}(...) since vLLM"
                f" {state.since}: {fact.because}",
                fact=fact,
                safety=Safety.UNSAFE,
                edits=(ReplaceExpression(span, f"({listed})"), *_imported(file, span)),
                precondition=f"what the block catches is meant for what {inside[0].target} refuses",
                certainty=inside[0].certainty,
            )


def _refuses(call: Call) -> bool:
    method = call.target.rpartition(".")[2]
    return call.target == "vllm.SamplingParams" or (
        method in _REFUSING
        and call.target.startswith(("vllm.LLM.", "vllm.LLMEngine.", "vllm.AsyncLLMEngine."))
    )


def _value_error(node: ast.Try) -> ast.expr | None:
    """What the handler for ValueError names; None where there is none, or a wider one stands beside it."""
    caught: ast.expr | None = None
    for handler in node.handlers:
        names = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        written = {ast.unparse(name).rpartition(".")[2] for name in names if name is not None}
        if handler.type is None or written & _WIDE:
            return None
        if "ValueError" in written and caught is None:
            caught = handler.type
    return caught


def _imported(file: FileFacts, place: Span) -> tuple[Edit, ...]:
    for name in file.imports:
        runs = not (name.dead or name.never_run)
        if name.module == "vllm" and runs and is_visible(file, name.span, place):
            return (AddImport("vllm.exceptions", _NAME, name.statement),)
    return (AddImport("vllm.exceptions", _NAME),)


def _lies_in(inner: Span, outer: Span) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end
