"""Where the trace of one arm comes from."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from vllm_migrate import __version__
from vllm_migrate.trace.model import Provenance
from vllm_migrate.workers import protocol as wire

if TYPE_CHECKING:
    from vllm_migrate.audit.evidence import EngineRun
    from vllm_migrate.audit.plan import AuditPlan


def provenance_of(plan: AuditPlan, run: EngineRun, *, model: str = "", follows: str = "") -> Provenance:
    """The provenance of what an arm did, made now.

    Args:
        plan: what was asked for.
        run: the arm.
        model: digest of the checkpoint, "" where the trace is sealed later.
        follows: digest of the tokens that were forced through it, "" where it sampled them itself.
    """
    return Provenance(
        engine=run.engine,
        version=run.loaded.version,
        engine_class=run.loaded.engine_class,
        runner=run.loaded.runner,
        settings=run.loaded.settings,
        engine_args=run.arguments,
        sampling=wire.to_wire(plan.sampling),
        model=model,
        tool=__version__,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        samples=plan.samples,
        seed=plan.seed,
        probe_sampling={} if plan.probe is None else wire.to_wire(plan.probe),
        follows=follows,
    )
