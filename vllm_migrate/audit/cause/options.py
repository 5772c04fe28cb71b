"""The options that concern the search for a cause, read into a plan."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from vllm_migrate.audit.arguments import parse_arguments
from vllm_migrate.audit.plan import check_sampling
from vllm_migrate.errors import UsageError
from vllm_migrate.workers.protocol import SamplingSettings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vllm_migrate.audit.plan import AuditPlan

_OURS = ("seed", "stop_token_ids")  # the audit's own, or without meaning for forced tokens


def with_cause_options(
    plan: AuditPlan, *, ladder: str, sampling: Iterable[str], scores: str, earn_speed: bool = False
) -> AuditPlan:
    """The plan with these options.

    Args:
        plan: the plan so far.
        ladder: "auto", "all" or "none".
        sampling: settings of the candidate's requests that differ, JSON objects or key=value.
        scores: "decode" or "prefill".
        earn_speed: whether to try the optimisations that parity turns off.

    Raises:
        UsageError: a setting is unknown or out of range.
    """
    given = _checked(parse_arguments(sampling))
    own = replace(plan.sampling, **given) if given else None
    if own is not None:
        check_sampling(own, plan.samples)
    return replace(
        plan,
        ladder=ladder,
        candidate_sampling=None if own == plan.sampling else own,
        candidate_path=scores,
        earn_speed=earn_speed,
    )


def _checked(given: dict[str, Any]) -> dict[str, Any]:
    kinds = {field.name: str(field.type) for field in fields(SamplingSettings) if field.name not in _OURS}
    for name, value in given.items():
        if name not in kinds:
            raise UsageError(f"--v1-sampling {name} is none of {', '.join(sorted(kinds))}")
        number = isinstance(value, int if kinds[name] == "int" else (int, float))
        if not number or isinstance(value, bool):
            raise UsageError(f"--v1-sampling {name} must be a number, not {value!r}")
    return given
