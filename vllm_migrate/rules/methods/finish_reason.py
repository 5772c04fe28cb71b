"""VM405: a sample counts as complete because it wasn't cut for its length."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.facts.model import Subject
from vllm_migrate.files.python import parse_python
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.engines import is_rl
from vllm_migrate.rules.finding import make_finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.rules.base import Context

_ABORTS = (b"AsyncLLM", b"AsyncEngineArgs", b"abort", b"pause_generation", b".sleep(")
_ABORT_ELSEWHERE = ("AsyncLLM", "AsyncEngineArgs", "abort_request", "pause_generation")
_TRAIN = (
    "from vllm import LLM\n\n\ndef train(llm: LLM, prompts, step):\n"
    "    llm.sleep(1)\n    for output in llm.generate(prompts):\n"
    "        for sample in output.outputs:\n            if sample.finish_reason {test}:\n"
    "                step(sample).backward()\n"
)


class FinishReason(Rule):
    """Code that trains tells complete samples by `finish_reason`, and names only "length".

    ## What it does
    Finds comparisons of a sample's `finish_reason` with "length" in a project that trains.

    ## Why it matters
    V0 ended an aborted request with an exception. V1 hands out what there is, finished, with the reason
    "abort"; later releases add "error" and "repetition". Whatever isn't "length" is then taken for a
    complete answer, and rewarded as one. Where the file never aborts, pauses or sends the engine to sleep,
    this is a note; where no file of the project does, nothing is said.

    ## Fix safety
    Left to a person: only "stop" says that a sample is complete.
    """

    code = "VM405"
    name = "finish-reason"
    summary = "a sample that isn't cut need not be complete"
    level = Level.WARNING
    safety = Safety.MANUAL
    examples = (
        Example(before=_TRAIN.format(test='!= "length"')),
        Example(before=_TRAIN.format(test='== "stop"'), unchanged=True),
        Example(before=_TRAIN.format(test='!= "length"'), source="v1@0.11.0"),
        Example(before=_TRAIN.format(test='!= "length"'), unchanged=True, source="v1@0.18.1"),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield comparisons with "length"."""
        changes = (
            context.facts.change(Subject.BEHAVIOUR, name, context.source, context.target)
            for name in ("aborted-output", "finish-reasons")
        )
        change = next((one for one in changes if one is not None), None)
        places = {
            a.span: a.certainty
            for a in file.attributes
            if a.owner == "vllm.CompletionOutput" and a.name == "finish_reason" and not a.assigned
        }
        if change is None or not places or not is_rl(context.project):
            return
        aborts = any(word in file.source for word in _ABORTS)
        if not aborts and context.mentions is not None and not context.mentions.any_of(*_ABORT_ELSEWHERE):
            return  # engines that answer in one call, which nobody cuts short
        parsed = parse_python(file.path, file.source)
        for node in ast.walk(parsed.module):
            if not (isinstance(node, ast.Compare) and len(node.ops) == 1):
                continue
            span = parsed.text.span(node.left)
            named = ast.unparse(node.comparators[0]).replace('"', "'")
            if span not in places or "'length'" not in named or "'stop'" in named or "'abort'" in named:
                continue
            yield make_finding(
                self,
                file,
                parsed.text.span(node),
                f"{file.text(parsed.text.span(node))}: {change.fact.because}",
                fact=change.fact,
                level=Level.WARNING if aborts else Level.NOTE,
                advice=f'{file.text(span)} == "stop" for what is complete, and leave "abort" out',
                certainty=places[span],
            )
