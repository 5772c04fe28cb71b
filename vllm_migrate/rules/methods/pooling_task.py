"""VM412: `encode` is not told what to compute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.facts.model import Remedy, Subject
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding, since

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.rules.base import Context

_ENCODE = "vllm.LLM.encode"
"""AsyncLLMEngine's takes the task in its PoolingParams."""
_FACTS = ("encode-needs-task", "encode-pooling-task")
_SCORE = 'from vllm import LLM\n\n\ndef score(texts):\n    llm = LLM("m", runner="pooling")\n'


class PoolingTask(Rule):
    """`encode` is called without saying what it should compute.

    ## What it does
    Finds calls of `LLM.encode` without `pooling_task=`.

    ## Why it matters
    V0 ran the model's own pooler. From 0.11.1 on a call that names no task raises a ValueError. 0.10.1 chose
    the task by the model, with another normalisation or activation for each: there the scores of a reward
    model change their scale, and nothing is raised.

    ## Fix safety
    Left to a person: which task the scores were trained for is not in the code.
    """

    code = "VM412"
    name = "pooling-task"
    summary = "encode is not told what to compute"
    level = Level.ERROR
    safety = Safety.MANUAL
    examples = (
        Example(before=f"{_SCORE}    return llm.encode(texts)\n"),
        Example(before=f'{_SCORE}    return llm.encode(texts, pooling_task="classify")\n', unchanged=True),
        Example(before=f"{_SCORE}    return llm.encode(texts)\n", unchanged=True, source="0.11.1"),
        Example(before=f"{_SCORE}    return llm.encode(texts)\n", unchanged=True, target="0.11.0"),
        Example(before=f"{_SCORE}    return llm.encode(texts)\n", target="0.10.1"),
        Example(
            before=(
                "from transformers import AutoTokenizer\n\n\ndef ids(path, text):\n"
                "    return AutoTokenizer.from_pretrained(path).encode(text)\n"
            ),
            unchanged=True,
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield the calls that leave the task open."""
        calls = [call for call in file.calls if call.target == _ENCODE and not call.dead]
        if not calls:
            return
        changes = (context.facts.change(Subject.BEHAVIOUR, n, context.source, context.target) for n in _FACTS)
        change = next(
            (one for one in changes if one and one.after and one.after.remedy is not Remedy.NONE), None
        )
        for call in calls if change is not None else ():
            if change is None or call.open_ended or call.argument("pooling_task") is not None:
                continue
            yield make_finding(
                self,
                file,
                call.callee,
                f"{file.text(call.callee)}(...) without pooling_task{since(change.after)}: "
                f"{change.fact.because}",
                fact=change.fact,
                advice=change.fact.advice,
                certainty=call.certainty,
            )
