"""The executor that a plan asks for."""

from __future__ import annotations

import importlib.util
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from vllm_migrate.audit.executors.executor import LOCAL, RAY, Scale
from vllm_migrate.audit.executors.local import LocalExecutor
from vllm_migrate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.audit.executors.executor import Executor
    from vllm_migrate.audit.plan import AuditPlan


def scale_of(executor: str, replicas: int | None, *, address: str = "", cpus: int | None = None) -> Scale:
    """Where to run, and how wide, as the options say; None where one was not given.

    Raises:
        UsageError: options that contradict each other, or Ray where it is not installed.
    """
    if executor == LOCAL:
        given = {"--replicas": replicas, "--ray-address": address or None, "--replica-cpus": cpus}
        for option, value in given.items():
            if value is not None:
                raise UsageError(f"{option} goes with --executor ray")
        return Scale()
    if importlib.util.find_spec("ray") is None:
        raise UsageError("Ray is not installed", hint="pip install 'vllm-migrate[ray]'")
    return Scale(RAY, replicas or 1, address, cpus or 1)


@contextmanager
def opened(plan: AuditPlan) -> Iterator[tuple[Executor, AuditPlan]]:
    """The executor for the block, and the plan as it can be carried out there."""
    if plan.scale.executor == LOCAL:
        yield LocalExecutor(), plan
        return
    from vllm_migrate.audit.executors.ray import RayExecutor  # noqa: PLC0415 - an extra, and slow to import

    executor = RayExecutor(plan.scale, plan.model)
    try:
        if plan.sync_probe != "none" and not executor.shares_temporary_files():
            unseen = (
                "weight updates were not probed: the first replica does not see this machine's temporary"
                " files; set TMPDIR to a directory that both have"
            )
            executor.notes = (*executor.notes, unseen)
            plan = replace(plan, sync_probe="none")
        yield executor, plan
    finally:
        executor.close()
