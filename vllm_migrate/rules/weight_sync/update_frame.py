"""VM511: weights are transferred without the frame that the target wants around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.facts.model import Subject
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding, since

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Call
    from vllm_migrate.rules.base import Context

_STARTS = "start_weight_update"
_UPDATES = frozenset({"vllm.LLM.update_weights", "vllm.AsyncLLMEngine.update_weights"})
_HEAD = "from vllm import LLM\n\n\ndef sync(llm: LLM, names, shapes):\n"
_PACKED = '    llm.update_weights({"update_info": {"names": names, "shapes": shapes, "packed": True}})\n'


class UpdateFrame(Rule):
    """`update_weights` is called as the first releases that had it wanted it.

    ## What it does
    Finds calls of `update_weights` in a project that never calls `start_weight_update`, and updates that say
    whether their tensors are packed.

    ## Why it matters
    Since vLLM 0.21.0 the workers raise where an update was not started, and they finish the layers only
    when it is finished. Since 0.28.0 packing is agreed on once, when the transfer is set up: the fields that
    used to say so with every update are refused.

    ## Fix safety
    Left to a person: what belongs between start and finish is the trainer's loop.
    """

    code = "VM511"
    name = "update-frame"
    summary = "weights are transferred as earlier releases wanted it"
    level = Level.ERROR
    safety = Safety.MANUAL
    examples = (
        Example(
            before=_HEAD + '    llm.update_weights({"update_info": {"names": names}})\n', source="0.18.1"
        ),
        Example(
            before=(f"{_HEAD}    llm.start_weight_update()\n{_PACKED}    llm.finish_weight_update()\n"),
            source="0.22.1",
        ),
        Example(
            before=(
                f"{_HEAD}    llm.start_weight_update()\n"
                '    llm.update_weights({"update_info": {"names": names}})\n'
                "    llm.finish_weight_update()\n"
            ),
            unchanged=True,
            source="0.18.1",
        ),
        Example(before=_HEAD + _PACKED, unchanged=True, source="0.18.1", target="0.20.0"),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield the updates without a start, and those that are packed one by one."""
        calls = [call for call in file.calls if call.target in _UPDATES and not call.dead]
        if not calls:
            return
        frame = context.facts.on_target(Subject.BEHAVIOUR, "weight-update-frame", context.target)
        started = _STARTS.encode() in file.source or (
            context.mentions is not None and context.mentions.any_of(_STARTS)
        )
        packed = context.facts.on_target(Subject.BEHAVIOUR, "packed-weight-transfer", context.target)
        for call in calls:
            for found, is_so in ((frame, not started), (packed, _is_packed(file, call))):
                if found is None or not is_so:
                    continue
                fact, state = found
                yield make_finding(
                    self,
                    file,
                    call.callee,
                    f"{file.text(call.callee)}(...){since(state)}: {fact.because}",
                    fact=fact,
                    advice=fact.advice.replace("llm.", f"{call.receiver}."),
                    certainty=call.certainty,
                )


def _is_packed(file: FileFacts, call: Call) -> bool:
    """Whether an update says that its tensors are packed."""
    written = file.text(call.span)
    return '"packed"' in written or "'packed'" in written or "packed=" in written
