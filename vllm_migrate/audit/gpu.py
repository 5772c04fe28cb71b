"""GPU settings of both engines, checked against this machine before any engine starts.

Engines on GPUs run one after another, whatever the settings: each is given the whole of its share of the
memory, and its processes are gone before the next one starts. All of this was written without a GPU at hand;
parallel engines were run on CPUs.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vllm_migrate.audit.executors.executor import LOCAL
from vllm_migrate.engines.devices import gpu_count
from vllm_migrate.engines.endpoint.find import is_url
from vllm_migrate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vllm_migrate.audit.plan import AuditPlan
    from vllm_migrate.engines.environment import EngineEnvironment

MEMORY, TENSOR, PIPELINE = "gpu_memory_utilization", "tensor_parallel_size", "pipeline_parallel_size"


def with_gpu_settings(plan: AuditPlan, settings: Mapping[str, Any]) -> AuditPlan:
    """The plan with the same GPU settings for both engines; an engine's own arguments may not differ.

    Args:
        plan: the plan so far.
        settings: by the names of engine arguments; None for what was not given.

    Raises:
        UsageError: an engine's own arguments say otherwise.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    if not given:
        return plan
    if is_url(plan.v1):
        raise UsageError(f"{_option(next(iter(given)))} can't reach a server that runs already")
    for option, arguments in (("--v0-args", plan.v0_args), ("--v1-args", plan.candidate_args)):
        for name, value in given.items():
            if arguments.get(name, value) != value:
                raise UsageError(f"{_option(name)} {value} and {option} {name}={arguments[name]} differ")
    return replace(plan, v0_args={**plan.v0_args, **given}, candidate_args={**plan.candidate_args, **given})


def check_gpu_settings(plan: AuditPlan) -> None:
    """Refuse settings that no engine can have, and what Ray's replicas can't.

    Args:
        plan: with the arguments of both engines.

    Raises:
        UsageError: says which setting.
    """
    for side, arguments in _sides(plan):
        share = arguments.get(MEMORY)
        if share is not None and not (_is_number(share) and 0 < share <= 1):
            raise UsageError(f"{MEMORY} of the {side} must be above 0 and at most 1, not {share!r}")
        for name in (TENSOR, PIPELINE):
            size = arguments.get(name, 1) or 1
            if not isinstance(size, int) or isinstance(size, bool) or size < 1:
                raise UsageError(f"{name} of the {side} must be a whole number from 1 on, not {size!r}")
        if ranks_of(arguments) > 1 and plan.scale.executor != LOCAL:
            raise UsageError(
                f"{_words(arguments)} of the {side}: a replica on Ray has one device",
                hint="leave --executor ray out, or the sizes",
            )


def check_ranks(
    plan: AuditPlan,
    *,
    v0: EngineEnvironment | None,
    v1: EngineEnvironment | None,
    gpus: Callable[[], int] = gpu_count,
    processors: Callable[[], int | None] = os.cpu_count,
) -> None:
    """Refuse parallel sizes that these engines can't have on this machine.

    Args:
        plan: with the arguments of both engines.
        v0: where the reference runs, None where it is recorded.
        v1: where the candidate runs, None where none does.
        gpus: how many there are; asked only where it matters.
        processors: the same for engines on a CPU, where every rank is a process that wants one.

    Raises:
        UsageError: says which size.
    """
    engines = {"reference": v0, "candidate": v1}
    for side, arguments in _sides(plan):
        engine, needed = engines[side], ranks_of(arguments)
        if engine is None or needed == 1:
            continue
        words = f"{_words(arguments)} of the {side}"
        if engine.generation == "v0" and (arguments.get(PIPELINE) or 1) > 1:
            raise UsageError(
                f"{words}: V0 has pipelines in its asynchronous engine only, where decoding can't be forced",
                hint=f"--v1-args {PIPELINE}={arguments[PIPELINE]} sets it for the candidate alone",
            )
        what, there = ("processors", processors() or 1) if engine.device == "cpu" else ("GPUs", gpus())
        if needed > there:
            raise UsageError(f"{words} needs {needed} {what}, and there are {there or 'none'} here")


def ranks_of(arguments: Mapping[str, Any]) -> int:
    """Processes that share one engine with these arguments."""
    return int(arguments.get(TENSOR) or 1) * int(arguments.get(PIPELINE) or 1)


def _sides(plan: AuditPlan) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    return (("reference", plan.v0_args), ("candidate", plan.candidate_args))


def _words(arguments: Mapping[str, Any]) -> str:
    sizes = {name: arguments.get(name) or 1 for name in (TENSOR, PIPELINE)}
    return " and ".join(f"{name}={size}" for name, size in sizes.items() if size > 1)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
