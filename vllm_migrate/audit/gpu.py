"""GPU settings of both engines, checked against the GPUs of this machine before any engine starts.

Engines on GPUs run one after another, whatever the settings: each is given the whole of its share of the
memory, and its process is gone before the next one starts. All of this was written without a GPU at hand.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vllm_migrate.engines.devices import gpu_count
from vllm_migrate.engines.endpoint.find import is_url
from vllm_migrate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vllm_migrate.audit.plan import AuditPlan

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


def check_gpu_settings(plan: AuditPlan, gpus: Callable[[], int] = gpu_count) -> None:
    """Refuse settings that these GPUs, or forced replay, can't have.

    Args:
        plan: with the arguments of both engines.
        gpus: how many GPUs there are here; asked only where it matters.

    Raises:
        UsageError: says which setting.
    """
    for side, arguments in (("reference", plan.v0_args), ("candidate", plan.candidate_args)):
        share = arguments.get(MEMORY)
        if share is not None and not (_is_number(share) and 0 < share <= 1):
            raise UsageError(f"{MEMORY} of the {side} must be above 0 and at most 1, not {share!r}")
        sizes = {name: arguments.get(name, 1) or 1 for name in (TENSOR, PIPELINE)}
        for name, size in sizes.items():
            if not isinstance(size, int) or isinstance(size, bool) or size < 1:
                raise UsageError(f"{name} of the {side} must be a whole number from 1 on, not {size!r}")
        needed = sizes[TENSOR] * sizes[PIPELINE]
        if needed > 1:
            _refuse_parallel(side, needed, sizes, gpus())


def _refuse_parallel(side: str, needed: int, sizes: dict[str, int], there: int) -> None:
    words = " and ".join(f"{name}={size}" for name, size in sizes.items() if size > 1)
    if needed > there:
        raise UsageError(f"{words} of the {side} needs {needed} GPUs, and there are {there or 'none'} here")
    raise UsageError(
        f"{words} of the {side}: forced replay drives an engine in one process, not in {needed}",
        hint="start it with `vllm serve` and give --v1-url: a server is judged by its own tokens",
    )


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
