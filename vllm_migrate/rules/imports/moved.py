"""VM101: an import that has another place on the target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, MoveImport, ReplaceExpression, Safety
from vllm_migrate.facts.model import Remedy
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding, since
from vllm_migrate.rules.imports.lookup import broken_imports, broken_references
from vllm_migrate.rules.weight_sync.extension import V0_WORKERS, handled_worker_imports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Edit, Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Reference
    from vllm_migrate.rules.base import Context


class MovedImport(Rule):
    """A name is imported from a place where the target doesn't have it any more.

    ## What it does
    Looks up every import of vLLM's in the facts for the target and lets it come from its new place. Its
    alias, hence every use, stays. An import guarded by `except ImportError` is moved too: left alone it
    would switch a feature off without a word. One whose fallback already names the new place is left alone.

    ## Why it matters
    The module fails when it is imported, or, where the import is guarded, runs on without what it wanted.

    ## Fix safety
    Safe where the new place has the same function or class: its signature and its public methods accept
    what the old ones accepted. Unsafe where something of them differs, such as vLLM's own Worker. A dotted
    use of a name that went to another module is left to a person, because that module has to be imported
    first.
    """

    code = "VM101"
    name = "moved-import"
    summary = "an import has another place on the target"
    level = Level.ERROR
    safety = Safety.SAFE
    examples = (
        Example(
            before="from vllm.utils import get_open_port\n\nport = get_open_port()\n",
            after="from vllm.utils.network_utils import get_open_port\n\nport = get_open_port()\n",
        ),
        Example(
            before=(
                "from vllm.utils import FlexibleArgumentParser as Parser, random_uuid\n"
                "\n"
                "parser = Parser()\n"
                "name = random_uuid()\n"
            ),
            after=(
                "from vllm.utils import random_uuid\n"
                "from vllm.utils.argparse_utils import FlexibleArgumentParser as Parser\n"
                "\n"
                "parser = Parser()\n"
                "name = random_uuid()\n"
            ),
        ),
        Example(
            before="try:\n    from vllm.sequence import Logprob\nexcept ImportError:\n    Logprob = None\n",
            after="try:\n    from vllm.logprobs import Logprob\nexcept ImportError:\n    Logprob = None\n",
        ),
        Example(
            before="from vllm.worker.worker_base import WorkerWrapperBase\n\nwrapper = WorkerWrapperBase\n",
            after="from vllm.v1.worker.worker_base import WorkerWrapperBase\n\nwrapper = WorkerWrapperBase\n",
            unsafe=True,
        ),
        Example(
            before=(
                "try:\n    from vllm.utils.network_utils import get_open_port\n"
                "except ImportError:\n    from vllm.utils import get_open_port\n"
            ),
            unchanged=True,
        ),
        Example(
            before="import vllm\n\nfrom own.workers import Mine\n\nvllm.worker.worker.Worker = Mine\n",
        ),
        Example(
            before="from vllm.utils import get_open_port\n\nport = get_open_port()\n",
            unchanged=True,
            target="0.11.0",
        ),
        Example(before="from vllm import LLM, SamplingParams\n\nparams = SamplingParams()\n", unchanged=True),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield the imports that moved."""
        elsewhere = handled_worker_imports(file, context)
        for name, fact, state in broken_imports(file, context):
            if state.remedy is not Remedy.MOVE or fact.name != name.qualified or name.span in elsewhere:
                continue
            module, _, new = state.to.rpartition(".")
            message = f"{name.qualified} is gone{since(state, fact.package)}: it is now {state.to}"
            if fact.safety != "safe":
                message += (
                    f" ({fact.advice or 'something of its signature, methods or fields is different there'})"
                )
            yield make_finding(
                self,
                file,
                name.span,
                message,
                fact=fact,
                level=Level.NOTE if name.never_run else None,
                edits=(MoveImport(name.span, module, new),),
            )
        for reference, fact, state in broken_references(file, context):
            if state.remedy is Remedy.MOVE and fact.name == reference.qualified:
                module, _, new = state.to.rpartition(".")
                advice = f"from {module} import {new}"
                if reference.context == "assign":
                    advice = _instead_of_assigning(reference.qualified, state.to)
                yield make_finding(
                    self,
                    file,
                    reference.span,
                    f"{reference.qualified} is gone{since(state, fact.package)}: it is now {state.to}",
                    fact=fact,
                    level=Level.NOTE if reference.never_run else None,
                    edits=_rename(file, reference, module, new),
                    advice=advice,
                    certainty=reference.certainty,
                )


def _instead_of_assigning(qualified: str, now: str) -> str:
    """For `vllm.worker.worker.Worker = Mine`: a class of the user's where vLLM looked for its own."""
    if qualified in V0_WORKERS:
        return (
            'the engine is told which worker it takes: pass worker_extension_cls="module.Class" for a class '
            f'that only adds methods, worker_cls="module.Class" for one derived from {now}; what is '
            "assigned in this process does not reach the engine's"
        )
    module = now.rpartition(".")[0]
    return f"import {module} and assign to {now}, in the process that uses it"


def _rename(file: FileFacts, reference: Reference, module: str, new: str) -> tuple[Edit, ...]:
    """The dotted use with its new name, where the module stays the same."""
    old_module, _, old = reference.qualified.rpartition(".")
    text = file.text(reference.span)
    if old_module != module or reference.context != "name" or not text.endswith(f".{old}"):
        return ()
    return (ReplaceExpression(reference.span, f"{text.removesuffix(old)}{new}"),)
