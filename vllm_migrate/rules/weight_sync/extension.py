"""Subclasses of V0's Worker: which of them can do without a base, as worker extensions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.facts.model import Subject

if TYPE_CHECKING:
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import ClassDefinition, Span
    from vllm_migrate.files.weight_sync import WorkerClass
    from vllm_migrate.rules.base import Context

V0_WORKERS = frozenset(
    {
        "vllm.worker.cpu_worker.CPUWorker",
        "vllm.worker.worker.Worker",
        "vllm.worker.worker_base.LocalOrDistributedWorkerBase",
        "vllm.worker.xpu_worker.XPUWorker",
    }
)

_V1_WORKERS = ("vllm.v1.worker.gpu_worker.Worker", "vllm.v1.worker.cpu_worker.CPUWorker")


def taken_names(context: Context) -> frozenset[str]:
    """What the target's Worker and its CPU subclass define.

    An extension that has one of these too makes the engine refuse to start (vllm/v1/worker/worker_base.py,
    init_worker), and a subclass that has one overrides it.
    """
    surface = context.api.surface
    return frozenset[str]().union(*map(surface.defined, _V1_WORKERS))


def taken_methods(definition: ClassDefinition, context: Context) -> tuple[str, ...]:
    """The methods of a class that the target's Worker has too."""
    taken = taken_names(context)
    return tuple(sorted(name for name in definition.methods if name in taken))


def is_worker(definition: ClassDefinition) -> bool:
    """Whether the class derives from V0's Worker."""
    return any(base in V0_WORKERS for base, _ in definition.bases)


def can_extend(file: FileFacts, definition: ClassDefinition, context: Context) -> bool:
    """Whether the class only adds methods, so that it works without a base as an extension of V1's.

    A constructor that only sets constants is no obstacle: they become attributes of the class.
    """
    if len(definition.bases) != 1 or not is_worker(definition):
        return False
    worker = worker_of(file, definition)
    if worker is None or worker.calls_super or taken_methods(definition, context):
        return False
    if not all(can_extend(file, below, context) for below in derived_from(file, definition)):
        return False
    return worker.constructor is None or worker.attributes is not None


def derived_from(file: FileFacts, definition: ClassDefinition) -> tuple[ClassDefinition, ...]:
    """The classes of a file that name a class of this file as their base."""
    return tuple(
        below
        for below in file.classes
        if below is not definition and any(file.text(span) == definition.name for _, span in below.bases)
    )


def worker_of(file: FileFacts, definition: ClassDefinition) -> WorkerClass | None:
    """What is known of the class's methods."""
    return next((w for w in file.workers if w.name_span == definition.name_span), None)


def handled_worker_imports(file: FileFacts, context: Context) -> frozenset[Span]:
    """Spans of the imports of V0's Worker that go together with the base class they are for."""
    if context.facts.change(Subject.BEHAVIOUR, "worker-class", context.source, context.target) is None:
        return frozenset()
    bases = [
        span
        for definition in file.classes
        if can_extend(file, definition, context)
        for _, span in definition.bases
    ]
    found = set()
    for name in file.imports:
        if (
            name.qualified in V0_WORKERS
            and name.uses
            and all(any(_inside(use, base) for base in bases) for use in name.uses)
        ):
            found.add(name.span)
    return frozenset(found)


def _inside(span: Span, outer: Span) -> bool:
    return outer.start <= span.start and span.end <= outer.end


def module_of(file: FileFacts) -> str:
    """The file's module name as far as its path tells it."""
    parts = [part for part in file.path.with_suffix("").parts if re.fullmatch(r"[A-Za-z_]\w*", part)]
    parts = parts[1:] if parts[:1] == ["src"] else parts
    return ".".join(parts[:-1] if parts[-1:] == ["__init__"] else parts)
