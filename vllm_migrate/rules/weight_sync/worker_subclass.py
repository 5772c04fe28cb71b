"""VM502: a class derives from V0's Worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, RemoveImport, Safety, SetBases
from vllm_migrate.facts.model import Subject
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding
from vllm_migrate.rules.weight_sync.extension import (
    can_extend,
    handled_worker_imports,
    is_worker,
    module_of,
    taken_methods,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Edit, Finding
    from vllm_migrate.files.located import ClassDefinition, FileFacts
    from vllm_migrate.rules.base import Context


class WorkerSubclass(Rule):
    """A class derives from `vllm.worker.worker.Worker` to add weight-update methods.

    ## What it does
    Takes the base away, and the import with it: V1 adds the methods of a plain class to its own Worker when
    it is named by `worker_extension_cls`. The place that names the class is rewritten by worker-cls.

    ## Why it matters
    V0's Worker is gone, so the module can't be imported, and neither the engine started.

    ## Fix safety
    Unsafe: the methods run on V1's Worker, which has the same `device`, `rank` and `model_runner` but not
    every attribute of V0's. A class that overrides a method of the Worker, or calls `super()`, is left to a
    person.
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
                "from vllm.worker.worker import Worker\n\n\nclass Mine(Worker):\n"
                "    def init_device(self):\n        super().init_device()\n"
            ),
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
        for definition in file.classes:
            if not is_worker(definition):
                continue
            edits: tuple[Edit, ...] = ()
            if can_extend(definition, context):
                edits = (SetBases(definition.span, ()), *(RemoveImport(span) for span in sorted(removed)))
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


def _advice(file: FileFacts, definition: ClassDefinition, context: Context) -> str:
    taken = taken_methods(definition, context)
    name = f"{module_of(file)}.{definition.name}"
    if taken or definition.calls_super or "__init__" in definition.methods:
        why = f"it overrides {', '.join(taken)}" if taken else "it calls or replaces the base's constructor"
        return (
            f"derive it from vllm.v1.worker.gpu_worker.Worker and keep worker_cls ({why}); or split "
            "off what only adds methods "
            f'into a class without a base and pass worker_extension_cls="{name}"'
        )
    return f'make it a class without a base and pass worker_extension_cls="{name}"'
