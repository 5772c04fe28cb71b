"""`--v0 emulated`: a stand-in for V0 where none can run, such as on a GPU that its builds don't know.

The reference is then V1 with the parity recipe on top of the arguments that change numbers on both sides. It
is not V0, and every report says so. What makes it V0-style is held against the trainer's fp32 forward over
its own tokens, which knows nothing of either engine: a candidate can't pass by a stand-in that does not agree
with it. Faults that V1 has under the parity recipe too are seen only there, and by the candidate's own
comparison with the trainer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vllm_migrate.audit.evidence import REFERENCE
from vllm_migrate.audit.plan import PARITY_RECIPE
from vllm_migrate.errors import UsageError
from vllm_migrate.statistics.verdict import Verdict

if TYPE_CHECKING:
    from vllm_migrate.audit.plan import AuditPlan
    from vllm_migrate.audit.result import AuditResult
    from vllm_migrate.engines.environment import EngineEnvironment
    from vllm_migrate.trace.model import Provenance

EMULATED = "emulated"
"""What to give as the reference's engine."""

REASON = "stand-in"
"""Why there is no PASS where the stand-in itself is too far from the trainer."""

_NAME = "emulated V0"
_HELD = ("mean_abs", "k2")


def is_emulated(made: Provenance) -> bool:
    """Whether a reference, recorded or fresh, is a stand-in."""
    return made.engine.startswith(_NAME)


def emulated_plan(plan: AuditPlan) -> AuditPlan:
    """The plan with the reference's arguments as the stand-in needs them; other plans as they are.

    Raises:
        UsageError: V0 would have done what V1 can't be brought to do.
    """
    if plan.v0 != EMULATED or plan.reference is not None:
        return plan
    if plan.sampling.min_p > 0 and plan.sampling.top_p < 1:
        raise UsageError(
            "--v0 emulated can't stand for V0 with --min-p and --top-p together: V0 applied them in the"
            " other order",
            hint="audit without one of them, or against a real V0",
        )
    for name, value in PARITY_RECIPE.items():
        if plan.v0_args.get(name, value) != value:
            raise UsageError(
                f"--v0-args {name}={plan.v0_args[name]} is not what V0 did; leave it to emulated"
            )
    return replace(plan, v0_args={**plan.v0_args, **PARITY_RECIPE})


def stand_in(v1: EngineEnvironment) -> EngineEnvironment:
    """The candidate's environment in the reference's place, under a name that says so."""
    return replace(v1, name=f"{_NAME} ({v1.name})")


def apply_stand_in(result: AuditResult, plan: AuditPlan, made: Provenance) -> AuditResult:
    """The result with what a stand-in means for it: a warning always, and no PASS by one that is off.

    Args:
        result: as for a real V0.
        plan: its margins.
        made: where the reference comes from.
    """
    if not is_emulated(made):
        return result
    warning = (
        f"this was not the real V0: the reference is vLLM {made.version} on V1 with the parity recipe, held"
        " against the trainer's forward; what V0 itself would have done is not shown"
    )
    result = replace(result, warnings=(warning, *result.warnings))
    off = _off(result, plan)
    if not off:
        return result
    result = replace(result, warnings=(f"the stand-in for V0 can't be relied on: {off}", *result.warnings))
    if result.verdict is not Verdict.PASS:
        return result
    return replace(result, verdict=Verdict.INCONCLUSIVE, reason=REASON)


def _off(result: AuditResult, plan: AuditPlan) -> str:
    """How the stand-in differs from the trainer; "" where it is shown not to."""
    arm = next((arm for arm in result.arms if arm.name == REFERENCE), None)
    if arm is None or arm.against_trainer is None:
        return "no trainer's forward was run over its tokens"
    for name in _HELD:
        estimate, margin = getattr(arm.against_trainer, name), plan.thresholds.metrics[name].margin
        high = estimate.value if estimate.high is None else estimate.high
        if high > margin:
            return f"its {name} against the trainer is {estimate.value:.4f}, up to {high:.4f}, of {margin:g}"
    return ""
