"""VM504: the patches that once let V0 share the trainer's GPU."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, RemoveStatement, RemoveWithItem, Safety
from vllm_migrate.facts.model import Remedy
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.engines import ENGINE_CALLS
from vllm_migrate.rules.finding import make_finding, since

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Edit, Finding
    from vllm_migrate.facts.model import Fact, State
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Reference
    from vllm_migrate.files.weight_sync import PatchItem, WithPatch
    from vllm_migrate.rules.base import Context

_PROFILING = "vllm.worker.worker.Worker._assert_memory_footprint_increased_during_profiling"
_REMOVE = {
    "patch": "remove the patch",
    "assign": "remove the assignment, and where the code still needs what it changed, see what of V1's does "
    "that work now and change that in the engine's process; a worker's methods go into a class that "
    'worker_extension_cls="module.Class" names, a scheduler\'s into one that scheduler_cls names',
}
_AT_THE_NEW_PLACE = {
    "patch": "patch {}",
    "assign": "keep the assignment, with the class imported from its new place: it is then one to {}",
}
_ENGINE_PROCESS = re.compile(r"vllm\.(?:v1\.(?:worker|core|executor|engine\.core)|model_executor)\b")
_WORLD = ("torch.distributed.get_world_size", "torch.distributed.get_rank")


class ColocationPatch(Rule):
    """An engine is built under patches of vLLM's or torch's insides, as TRL's first generation with vLLM did.

    ## What it does
    Takes `patch("vllm.worker.worker.Worker...")` out of the `with` statement, and the statement that bound
    it. The patch of `torch.distributed.get_world_size` is a note with what it depends on: it does its work
    where the engine is kept in this process, and none is to be done where it has one of its own. A method
    that is assigned to a class which is gone is reported, too.

    ## Why it matters
    The target of the patch is gone, so entering the block raises; and a patch in the trainer's process
    doesn't reach an engine in a process of its own. What the target has in another module, and uses in this
    process, is patched there.

    ## Fix safety
    Unsafe: the patched check is gone with its class, but whether the GPU's memory suffices for both has to
    be seen. Where the engine lives is left to a person.
    """

    code = "VM504"
    name = "colocation-patch"
    summary = "an engine is built under patches of vLLM's insides"
    level = Level.ERROR
    safety = Safety.UNSAFE
    examples = (
        Example(
            before=(
                "from unittest.mock import patch\n"
                "\n"
                "from vllm import LLM\n"
                "\n"
                "\n"
                "def build():\n"
                f'    profiling = patch("{_PROFILING}", return_value=None)\n'
                '    with open("log") as log, profiling:\n'
                '        return LLM("m"), log\n'
            ),
            after=(
                "from unittest.mock import patch\n\nfrom vllm import LLM\n\n\ndef build():\n"
                '    with open("log") as log:\n'
                '        return LLM("m"), log\n'
            ),
            unsafe=True,
        ),
        Example(
            before=(
                "from unittest.mock import patch\n\nfrom vllm import LLM\n\n\ndef build():\n"
                '    with patch("torch.distributed.get_world_size", return_value=1):\n'
                '        return LLM("m")\n'
            ),
        ),
        Example(
            before=(
                "import os\nfrom unittest.mock import patch\n\n"
                'os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"\nfrom vllm import LLM\n\n\ndef build():\n'
                '    with patch("torch.distributed.get_world_size", return_value=1):\n'
                '        return LLM("m")\n'
            ),
            unchanged=True,
        ),
        Example(
            before=(
                "from vllm.core.scheduler import Scheduler\n\n\ndef keep(self, request):\n"
                "    return None\n\n\nScheduler.abort_seq_group = keep\n"
            ),
        ),
        Example(
            before=(
                "from vllm.entrypoints.openai.tool_parsers import ToolParserManager\n\n\ndef get(name):\n"
                "    return None\n\n\nToolParserManager.get_tool_parser = get\n"
            ),
        ),
        Example(
            before=(
                "from unittest.mock import patch\n\nimport train\n\n\ndef test():\n"
                '    with patch("torch.distributed.get_world_size", return_value=1):\n'
                "        train.main()\n"
            ),
            unchanged=True,
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield the patches."""
        seen = []
        for block in file.patches:
            for item in block.items:
                seen.append(item.span)
                if item.binding is not None:
                    seen.append(item.binding)
                yield from self._item(file, block, item, context)
        for reference in file.references:
            if reference.context not in ("patch", "assign") or reference.dead:
                continue
            if any(place.start <= reference.span.start < place.end for place in seen):
                continue
            found = context.facts.import_state(reference.qualified, context.target)
            if not found or (reference.context == "assign" and not _hangs_on_import(reference, file)):
                continue  # an assignment to a dotted name is the name's affair
            now = _place_now(reference.qualified, found, context)
            yield make_finding(
                self,
                file,
                reference.span,
                f"the patched {reference.qualified} is gone{since(found[1])}{now and f': it is now {now}'}",
                level=Level.NOTE if reference.never_run else None,
                safety=Safety.MANUAL,
                advice=_AT_THE_NEW_PLACE[reference.context].format(now)
                if now
                else _REMOVE[reference.context],
                certainty=reference.certainty,
            )

    def _item(
        self, file: FileFacts, block: WithPatch, item: PatchItem, context: Context
    ) -> Iterator[Finding]:
        found = context.facts.import_state(item.target, context.target)
        if found:
            edits: tuple[Edit, ...] = (RemoveWithItem(block.statement, item.span),)
            if item.binding is not None and _uses(file, item) == 1:
                edits += (RemoveStatement(item.binding),)
            yield make_finding(
                self,
                file,
                item.binding or item.span,
                f"the patched {item.target} is gone{since(found[1])}: entering the block raises",
                edits=edits,
                precondition="the trainer leaves the engine the memory it asks for",
                advice="remove the patch",
            )
        elif (
            item.target in _WORLD
            and not file.use.engine_in_process
            and any(
                call.target in ENGINE_CALLS and block.body.start <= call.span.start < block.body.end
                for call in file.calls
            )
        ):
            yield make_finding(
                self,
                file,
                item.binding or item.span,
                f"the patch of {item.target} reaches a V1 engine only in this process; by default it runs in "
                "one of its own, and needs no patch there",
                level=Level.NOTE,
                safety=Safety.MANUAL,
                advice="keep the patch where VLLM_ENABLE_V1_MULTIPROCESSING=0 keeps the engine in this "
                "process; else remove it: the engine's own process has a group of its own",
            )


def _place_now(qualified: str, found: tuple[Fact, State], context: Context) -> str:
    """Where the target has what is patched, "" where it has it no more or only in the engine's process.

    A patch in this process doesn't reach workers, schedulers and executors.
    """
    fact, state = found
    if state.remedy is not Remedy.MOVE or not qualified.startswith(f"{fact.name}."):
        return ""
    now = f"{state.to}{qualified.removeprefix(fact.name)}"
    return "" if _ENGINE_PROCESS.match(now) or not context.api.surface.has(now) else now


def _hangs_on_import(reference: Reference, file: FileFacts) -> bool:
    """Whether an import that is reported itself brings the class."""
    return any(
        name.name and not name.dead and reference.qualified.startswith(f"{name.qualified}.")
        for name in file.imports
    )


def _uses(file: FileFacts, item: PatchItem) -> int:
    """In how many blocks the bound patch is entered."""
    return sum(other.binding == item.binding for block in file.patches for other in block.items)
