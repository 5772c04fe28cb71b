"""VM406: what a method of the asynchronous engine returns is awaited, and no coroutine any more."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, ReplaceExpression, Safety
from vllm_migrate.facts.model import Subject
from vllm_migrate.files.located import Span
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.rules.base import Context

_AWAIT = re.compile(rb"\bawait\s+\Z")
_NEAR = 80  # bytes between the word and the call, an indented new line at most
_METHOD = "AsyncLLMEngine.get_tokenizer"
_HEAD = (
    "from vllm.engine.async_llm_engine import AsyncLLMEngine\n\n\n"
    "async def start(args):\n    engine = AsyncLLMEngine.from_engine_args(args)\n"
)


class Awaited(Rule):
    """`await engine.get_tokenizer()`, which hands out the tokenizer itself since vLLM 0.15.

    ## What it does
    Takes the `await` away.

    ## Why it matters
    Awaiting a tokenizer raises a TypeError.

    ## Fix safety
    Safe: the value is the same.
    """

    code = "VM406"
    name = "awaited-tokenizer"
    summary = "the engine's tokenizer is awaited"
    level = Level.ERROR
    safety = Safety.SAFE
    examples = (
        Example(
            before=f"{_HEAD}    tokenizer = await engine.get_tokenizer()\n",
            after=f"{_HEAD}    tokenizer = engine.get_tokenizer()\n",
        ),
        Example(
            before=f"{_HEAD}    return (await engine.get_tokenizer()).encode\n",
            after=f"{_HEAD}    return (engine.get_tokenizer()).encode\n",
        ),
        Example(before=f"{_HEAD}    tokenizer = engine.get_tokenizer()\n", unchanged=True),
        Example(
            before=f"{_HEAD}    tokenizer = await engine.get_tokenizer()\n",
            unchanged=True,
            target="0.14.1",
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield awaited calls of methods that return no coroutine on the target."""
        change = context.facts.change(Subject.BEHAVIOUR, _METHOD, context.source, context.target)
        if change is None:
            return
        for call in file.calls:
            if call.target != f"vllm.{_METHOD}" or call.dead:
                continue
            awaits = _AWAIT.search(file.source, max(0, call.span.start - _NEAR), call.span.start)
            if awaits is None:
                continue
            plain = file.text(call.span)
            span = Span(awaits.start(), call.span.end)
            yield make_finding(
                self,
                file,
                span,
                f"{call.receiver}.get_tokenizer() is awaited: {change.fact.because}",
                fact=change.fact,
                safety=self.safety,
                edits=(ReplaceExpression(span, plain),),
                advice=one_line(plain),
                precondition=f"{call.receiver} is vLLM's own asynchronous engine",
                certainty=call.certainty,
            )
