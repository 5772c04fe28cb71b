"""VM502: a class derives from V0's Worker."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import (
    InsertStatement,
    Level,
    RemoveImport,
    RemoveStatement,
    Safety,
    SetBases,
)
from vllm_migrate.facts.model import Subject
from vllm_migrate.files.python import parse_python
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding
from vllm_migrate.rules.weight_sync.extension import (
    can_extend,
    derived_from,
    handled_worker_imports,
    is_worker,
    module_of,
    taken_methods,
    worker_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Edit, Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import ClassDefinition, Span
    from vllm_migrate.rules.base import Context


class WorkerSubclass(Rule):
    """A class derives from `vllm.worker.worker.Worker` to add weight-update methods.

    ## What it does
    Takes the base away, and the import with it: V1 adds the methods of a plain class to its own Worker when
    it is named by `worker_extension_cls`. A constructor that only calls the base's and sets constants goes,
    and the constants become attributes of the class. The place that names the class is rewritten by
    worker-cls.

    ## Why it matters
    V0's Worker is gone, so the module can't be imported, and neither the engine started.

    ## Fix safety
    Unsafe: the methods run on V1's Worker, which has the same `device`, `rank` and `model_runner` but not
    every attribute of V0's. A class that overrides a method of the target's Worker, or calls `super()` in
    a method, is left to a person.
    """

    code = "VM502"
    name = "worker-subclass"
    summary = "a class derives from V0's Worker"
    level = Level.ERROR
    safety = Safety.UNSAFE
    examples = (
        Example(
            before=(
                "import torch\nfrom vllm.worker.worker import Worker\n\n\nclass WeightSync(Worker):\n"
                "    def update_weight(self, name, shape):\n"
                "        weight = torch.empty(shape, device=self.device)\n"
                "        self.model_runner.model.load_weights([(name, weight)])\n"
            ),
            after=(
                "import torch\n\n\nclass WeightSync:\n"
                "    def update_weight(self, name, shape):\n"
                "        weight = torch.empty(shape, device=self.device)\n"
                "        self.model_runner.model.load_weights([(name, weight)])\n"
            ),
            file_name="pkg/sync.py",
            unsafe=True,
        ),
        Example(
            before=(
                "import torch\nfrom vllm.worker.worker import Worker\n\n\nclass WeightSync(Worker):\n"
                "    def __init__(self, *args, **kwargs):\n"
                "        super().__init__(*args, **kwargs)\n\n"
                "        # Set by init_communicator.\n"
                "        self.communicator = None  # over NCCL\n\n"
                "    def init_communicator(self, host):\n"
                "        self.communicator = torch.zeros(host)\n"
            ),
            after=(
                "import torch\n\n\nclass WeightSync:\n"
                "    # Set by init_communicator.\n"
                "    communicator = None  # over NCCL\n\n"
                "    def init_communicator(self, host):\n"
                "        self.communicator = torch.zeros(host)\n"
            ),
            file_name="pkg/sync.py",
            unsafe=True,
        ),
        Example(
            before=(
                "import torch\n\nif torch.cuda.is_available():\n"
                "    from vllm.worker.worker import Worker\nelse:\n"
                "    from vllm.worker.cpu_worker import CPUWorker as Worker\n\n\n"
                "class Sync(Worker):\n    def update(self, weights):\n"
                "        self.model_runner.model.load_weights(weights)\n"
            ),
            after=(
                "import torch\n\n\nclass Sync:\n    def update(self, weights):\n"
                "        self.model_runner.model.load_weights(weights)\n"
            ),
            file_name="pkg/sync.py",
            unsafe=True,
        ),
        Example(
            before=(
                "from vllm.worker.worker import Worker\n\n\nclass Mine(Worker):\n"
                "    def init_device(self):\n        super().init_device()\n"
            ),
        ),
        Example(
            before=(
                "import torch\nfrom vllm.worker.worker import Worker\n\n\nclass Sync(Worker):\n"
                "    def update(self, weights):\n"
                "        self.model_runner.model.load_weights(weights)\n\n\n"
                "class Offloading(Sync):\n    def offload(self):\n        self.model_runner.model.to('cpu')\n"
            ),
            after=(
                "import torch\n\n\nclass Sync:\n"
                "    def update(self, weights):\n"
                "        self.model_runner.model.load_weights(weights)\n\n\n"
                "class Offloading(Sync):\n    def offload(self):\n        self.model_runner.model.to('cpu')\n"
            ),
            file_name="pkg/sync.py",
            unsafe=True,
        ),
        Example(
            before=(
                "from vllm.v1.worker.gpu_worker import Worker\n\n\nclass Mine(Worker):\n"
                "    def update_weight(self, name):\n        pass\n"
            ),
            unchanged=True,
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield classes derived from V0's Worker."""
        change = context.facts.change(Subject.BEHAVIOUR, "worker-class", context.source, context.target)
        if change is None:
            return
        removed = handled_worker_imports(file, context)
        # A class derived from one of these has its Worker, and its methods, by that one.
        further = [below for one in file.classes if is_worker(one) for below in derived_from(file, one)]
        for definition in file.classes:
            if not is_worker(definition) or definition in further:
                continue
            edits: tuple[Edit, ...] = ()
            if can_extend(file, definition, context):
                edits = (
                    SetBases(definition.span, ()),
                    *_without_constructor(file, definition),
                    *_without_imports(file, removed),
                )
                removed = frozenset()  # the import goes once, with the first class
            yield make_finding(
                self,
                file,
                definition.name_span,
                f"{definition.name} derives from V0's Worker: {change.fact.because}",
                fact=change.fact,
                edits=edits,
                advice=_advice(file, definition, context),
            )


def _without_imports(file: FileFacts, removed: frozenset[Span]) -> Iterator[Edit]:
    """The imports go, and an `if` that only chose between them goes as a whole."""
    statements = {name.span: name.statement for name in file.imports if name.span in removed}
    alone = {statements[span] for span in removed if file.text(statements[span]).count(",") == 0}
    chosen: list[Span] = []
    if any(name.span in removed and _is_indented(file, name.statement) for name in file.imports):
        parsed = parse_python(file.path, file.source)
        text = parsed.text
        branches = (node for node in ast.walk(parsed.module) if isinstance(node, ast.If))
        for node in branches:  # outer ones come first
            place = text.span(node)
            inner = any(one.start < place.start < one.end for one in chosen)
            whole = file.source.startswith(b"if", place.start)  # not an `elif` of another
            if whole and not inner and all(text.span(one) in alone for one in _leaves(node)):
                chosen.append(place)
    yield from (RemoveStatement(span) for span in chosen)
    for span in sorted(removed):
        if not any(place.start <= span.start < place.end for place in chosen):
            yield RemoveImport(span)


def _leaves(node: ast.If) -> Iterator[ast.stmt]:
    """The statements in the branches of an `if` and of those within."""
    for statement in (*node.body, *node.orelse):
        if isinstance(statement, ast.If):
            yield from _leaves(statement)
        else:
            yield statement


def _is_indented(file: FileFacts, statement: Span) -> bool:
    return file.source[statement.start - 1 : statement.start] in (b" ", b"\t")


def _without_constructor(file: FileFacts, definition: ClassDefinition) -> tuple[Edit, ...]:
    """An extension has no constructor of its own: the constants that it sets become the class's."""
    worker = worker_of(file, definition)
    if worker is None or worker.constructor is None:
        return ()
    removed = RemoveStatement(worker.constructor)
    if not worker.attributes:
        return (removed,)
    return (InsertStatement(worker.constructor, worker.attributes, before=True), removed)


def _advice(file: FileFacts, definition: ClassDefinition, context: Context) -> str:
    taken = taken_methods(definition, context)
    name = f"{module_of(file)}.{definition.name}"
    worker = worker_of(file, definition)
    own = [method for method in definition.methods if method not in taken and method != "__init__"]
    rest = f" with {', '.join(own)}" if own else ""
    if taken:
        why = f"it overrides {', '.join(taken)}"
    elif worker is not None and worker.calls_super:
        why = "it calls super()"
    elif below := [one for one in derived_from(file, definition) if not can_extend(file, one, context)]:
        why = f"{below[0].name}, derived from it, calls super() or overrides methods of the Worker"
    elif "__init__" in definition.methods:
        why = "its constructor does more than setting constants"
    else:
        why = "it has other bases, too"
    keep = (
        f'derive it from vllm.v1.worker.gpu_worker.Worker and pass worker_cls="{name}" ({why}, so compare '
        "with that class)"
    )
    return f'{keep}; or make a class without a base{rest} and pass worker_extension_cls="{name}"'
