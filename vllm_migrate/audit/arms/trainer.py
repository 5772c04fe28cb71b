"""The trainer: its own forward over the tokens of every other arm, in fp32."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vllm_migrate.audit.arms.shared import FINISHED
from vllm_migrate.audit.evidence import CANDIDATE, REFERENCE, REMEDY, recorded_run
from vllm_migrate.reward.calling.rollouts import score_rollouts

if TYPE_CHECKING:
    from vllm_migrate.audit.arms.shared import Shared
    from vllm_migrate.audit.process import EngineProcess
    from vllm_migrate.engines.environment import EngineEnvironment

_TRAINER = "trainer"


def run_trainer(shared: Shared, environment: EngineEnvironment) -> None:
    """The trainer's forward over every arm's own tokens, in an engine's environment: it has transformers."""
    plan = shared.plan
    names = (CANDIDATE, REMEDY) if plan.remedy_additions else (CANDIDATE,)
    kept = {name: shared.journal.find(f"{_TRAINER}.{name}") for name in (REFERENCE, *names)}
    if all(found is not None for found in kept.values()):
        shared.progress(_TRAINER, FINISHED, 0, 0)
        _score(shared, None, kept)
        return
    with shared.process(environment, _TRAINER) as process:
        process.load_trainer(_TRAINER)
        _score(shared, process, kept)


def _score(shared: Shared, process: EngineProcess | None, kept: dict[str, Any]) -> None:
    """The trainer's scores of every arm: those kept from an earlier run, the others by this process."""
    plan, trace = shared.plan, shared.reference.result()
    reference = recorded_run(trace)
    if plan.reward is not None:
        reference.rewards = score_rollouts(plan.reward, trace.prompts, trace.rollouts)
    if kept[REFERENCE] is not None:
        reference.trainer, reference.trainer_probe = kept[REFERENCE]
    elif process is not None:
        reference.trainer = process.force(
            _TRAINER, trace.prompts, trace.rollouts, plan.sampling, min_p_first=False
        )
        if plan.probe is not None and trace.probe:
            reference.trainer_probe = process.force(
                _TRAINER, trace.prompts, trace.probe, plan.probe, min_p_first=False
            )
        shared.journal.keep(f"{_TRAINER}.{REFERENCE}", (reference.trainer, reference.trainer_probe))
    shared.measured.arms[REFERENCE] = reference
    for name in (CANDIDATE, REMEDY):
        run = shared.sampled[name].result()
        if run is None:
            continue
        if kept.get(name) is not None:
            run.trainer, run.trainer_probe = kept[name]
        elif process is not None:
            run.trainer = process.force(_TRAINER, trace.prompts, run.rollouts, plan.sampling)
            if plan.probe is not None and run.probe_rollouts:
                run.trainer_probe = process.force(_TRAINER, trace.prompts, run.probe_rollouts, plan.probe)
            shared.journal.keep(f"{_TRAINER}.{name}", (run.trainer, run.trainer_probe))
