"""VM506: a worker extension has a method that V1's worker has too."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, ReplaceExpression, ReplaceText, Safety
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding
from vllm_migrate.rules.weight_sync.extension import taken_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Edit, Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.weight_sync import WorkerClass, WorkerMethod
    from vllm_migrate.rules.base import Context

_CLASS = "class Sync:\n    def {}(self, names):\n        self.model_runner.model.load_weights(names)\n\n\n"
_HEAD = "from vllm import LLM\n\n\n"
_USE = (
    "def sync(names):\n"
    '    llm = LLM("m", worker_extension_cls="train.Sync")\n'
    '    llm.collective_rpc("{}", args=(names,))\n'
)


class ExtensionNames(Rule):
    """A class given to `worker_extension_cls` defines a method by a name that the target's Worker has.

    ## What it does
    Renames the method to `rl_<name>`, and with it the name in every `collective_rpc` of the project, where
    it is mentioned nowhere else.

    ## Why it matters
    V1 adds the extension to its Worker and asserts beforehand that no name is in both, so the engine doesn't
    start. Each release's Worker has more of them than the one before: `update_weights` and
    `init_weight_transfer_engine` came with 0.16.0, `start_weight_update` with 0.21.0. The names are those of
    the target's own Worker, from its wheel.

    ## Fix safety
    Unsafe: somebody outside the project may call the method by its old name. Where nobody in sight calls
    it, or its name also goes about as a plain string, the new name and the places are given.
    """

    code = "VM506"
    name = "extension-names"
    summary = "a worker extension has a method that V1's worker has too"
    level = Level.ERROR
    safety = Safety.UNSAFE
    examples = (
        Example(
            before=_HEAD + _CLASS.format("update_weights") + _USE.format("update_weights"),
            after=_HEAD + _CLASS.format("rl_update_weights") + _USE.format("rl_update_weights"),
            unsafe=True,
        ),
        Example(
            before=(
                f'{_HEAD}{_CLASS.format("update_weights")}llm = LLM("m", worker_extension_cls="train.Sync")\n'
            ),
        ),
        Example(
            before=_HEAD + _CLASS.format("update_weights") + _USE.format("update_weights"),
            unchanged=True,
            target="0.15.1",
        ),
        Example(
            before=_HEAD + _CLASS.format("update_weight") + _USE.format("update_weight"),
            unchanged=True,
        ),
        Example(
            before=(
                "from vllm.v1.worker.gpu_worker import Worker\n\n\n"
                "class Mine(Worker):\n    def load_model(self):\n        super().load_model()\n"
            ),
            unchanged=True,
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield methods whose names are taken, and the calls of them in other files."""
        if not context.project.extensions:
            return
        for worker in file.workers:
            if worker.derived or not _is_extension(worker.qualified, context, here=worker.named):
                continue
            taken = taken_names(context)
            for method in worker.methods:
                if method.name in taken:
                    yield self._method(file, context, worker, method)
        yield from self._calls(file, context)

    def _method(
        self, file: FileFacts, context: Context, worker: WorkerClass, method: WorkerMethod
    ) -> Finding:
        new = _new_name(method.name, context)
        called_in = sorted(path for path, name in context.project.rpc_names if name == method.name)
        elsewhere = [path for path in called_in if path != str(file.path)]
        where = f" in {', '.join(called_in)}" if called_in else ", wherever it is called"
        return make_finding(
            self,
            file,
            method.name_span,
            f"{worker.name}.{method.name}: the Worker of vLLM {context.target.version} has a {method.name} "
            "itself and refuses the extension",
            edits=_renamed(file, method, new, called_elsewhere=bool(elsewhere), context=context),
            advice=f'call it {new}, and write collective_rpc("{new}", ...){where}',
            precondition="nothing outside the project calls the method",
        )

    def _calls(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Calls of a method that is defined in another file, and renamed there."""
        ours = {method.name for worker in file.workers for method in worker.methods}
        renamed = {
            method
            for qualified, method in context.project.extension_methods
            if method not in ours
            and _is_extension(qualified, context)
            and method not in context.project.loose_names
        }
        for call in file.calls if renamed else ():
            if not call.target.endswith(".collective_rpc") or call.dead:
                continue
            for value, span in call.positional[:1]:
                name = value.literal
                if isinstance(name, str) and name in renamed and name in taken_names(context):
                    new = _new_name(name, context)
                    yield make_finding(
                        self,
                        file,
                        span,
                        f"{value.source} calls a method of an extension whose name the Worker of vLLM "
                        f"{context.target.version} has: it is renamed",
                        edits=(ReplaceExpression(span, value.source.replace(name, new)),),
                        advice=f'"{new}", as it is called from now on',
                        precondition="the method is renamed where it is defined",
                        certainty=call.certainty,
                    )


def _is_extension(qualified: str, context: Context, *, here: bool = False) -> bool:
    """Whether some engine of the project is given the class.

    By its module as far as the file's place tells it; `here`, in the file that names it, its own name is
    enough.
    """
    own = qualified.rpartition(".")[2]
    for name in context.project.extensions:
        dotted = name.replace(":", ".")
        ours, theirs = f".{qualified}", f".{dotted}"
        named_here = here and dotted.rpartition(".")[2] == own
        if named_here or ours.endswith(theirs) or theirs.endswith(ours):
            return True
    return False


def _new_name(name: str, context: Context) -> str:
    """A name that neither the Worker nor an extension of the project's has; the same for all files."""
    used = taken_names(context) | {method for _, method in context.project.extension_methods}
    new = f"rl_{name.lstrip('_')}"
    while new in used:
        new = f"{new}_"
    return new


def _renamed(
    file: FileFacts, method: WorkerMethod, new: str, *, called_elsewhere: bool, context: Context
) -> tuple[Edit, ...]:
    """The edits that rename a method; none where its callers are not all in sight as collective_rpc."""
    calls = [
        (span, value.source)
        for call in file.calls
        if call.target.endswith(".collective_rpc")
        for value, span in call.positional[:1]
        if value.literal == method.name
    ]
    text = file.source.decode(file.encoding)
    # The definition and the strings; anything else by that name may be a call of it, or of the Worker's own.
    mentioned = len(re.findall(rf"\b{method.name}\b", text))
    loose = method.name in context.project.loose_names
    if loose or not (calls or called_elsewhere) or mentioned != 1 + len(calls):
        return ()
    return (
        ReplaceText(method.name_span, new),
        *(ReplaceExpression(span, source.replace(method.name, new)) for span, source in calls),
    )
