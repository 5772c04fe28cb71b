"""VM412: what `encode` computes is left to the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.facts.model import Subject
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding, since

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.located import FileFacts
    from vllm_migrate.rules.base import Context

_ENCODES = frozenset({"vllm.LLM.encode", "vllm.AsyncLLMEngine.encode"})
_SCORE = 'from vllm import LLM\n\n\ndef score(texts):\n    llm = LLM("m", runner="pooling")\n'


class PoolingTask(Rule):
    """`encode` is called without saying what it should compute.

    ## What it does
    Finds calls of `LLM.encode` without `pooling_task=`.

    ## Why it matters
    V0 ran the model's own pooler. Later releases choose the task by the model, with another normalisation or
    activation for each: the scores of a reward model change their scale, and nothing is raised.

    ## Fix safety
    Left to a person: which task the scores were trained for is not in the code.
    """

    code = "VM412"
    name = "pooling-task"
    summary = "encode chooses what it computes by the model"
    level = Level.WARNING
    safety = Safety.MANUAL
    examples = (
        Example(before=f"{_SCORE}    return llm.encode(texts)\n"),
        Example(before=f'{_SCORE}    return llm.encode(texts, pooling_task="classify")\n', unchanged=True),
        Example(before=f"{_SCORE}    return llm.encode(texts)\n", unchanged=True, source="0.11.1"),
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
        calls = [call for call in file.calls if call.target in _ENCODES and not call.dead]
        if not calls:
            return
        name = "encode-pooling-task"
        change = context.facts.change(Subject.BEHAVIOUR, name, context.source, context.target)
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
