"""What is tried in the candidate's engine beside the arms: the ladder of causes, and the search for speed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.audit.cause.earn_speed import SpeedTrial
from vllm_migrate.audit.cause.ladder import Climb
from vllm_migrate.audit.cause.live_engine import LiveEngine
from vllm_migrate.audit.cause.replay import generation_defaults, ladder_tokens, routes_to_experts
from vllm_migrate.audit.cause.steps import candidate_sampling, suspects

if TYPE_CHECKING:
    from vllm_migrate.audit.arms.shared import Shared
    from vllm_migrate.audit.evidence import EngineRun
    from vllm_migrate.audit.process import EngineProcess

LADDER, SPEED = "ladder", "speed"
"""Names of the two, as asked for and in the journal."""


def experiment(
    shared: Shared, process: EngineProcess, candidate: EngineRun, wanted: set[str], *, together: bool
) -> bool:
    """The ladder and the search for speed, in the candidate's engine; failures there leave the verdict.

    Returns:
        Whether that engine still runs, as it was.
    """
    plan, trace = shared.plan, shared.reference.result()
    on_probe, rollouts, sampling = ladder_tokens(plan, trace)
    with LiveEngine(
        process,
        lambda: shared.process(process.environment, LADDER),
        plan.candidate_args,
        arm=LADDER,
        together=together,
    ) as engine:
        if LADDER in wanted:
            climb = Climb(
                engine,
                trace.prompts,
                rollouts,
                sampling,
                own=None if on_probe else candidate_sampling(plan),
                path=plan.candidate_path,
                on_probe=on_probe,
                counterparts=shared.counterparts.result,
                stopped=lambda: shared.stopped,
                seed=plan.seed,
                arm=LADDER,
            )
            shared.measured.ladder = climb.run(
                lambda observed: suspects(
                    plan,
                    candidate.loaded.settings,
                    observed,
                    sampling,
                    reference=trace.provenance.settings,
                    defaults=generation_defaults(plan.model),
                    moe=routes_to_experts(plan.model),
                )
            )
            if not shared.stopped:
                shared.journal.keep(LADDER, shared.measured.ladder)
        if SPEED in wanted:
            shared.measured.speed = SpeedTrial(
                engine,
                trace.prompts,
                trace.rollouts,
                candidate_sampling(plan),
                candidate.loaded.settings,
                stopped=lambda: shared.stopped,
            ).run()
            if not shared.stopped:
                shared.journal.keep(SPEED, shared.measured.speed)
        return engine.intact
