"""Every comparison of one audit: each arm's logprobs against the reference's and against the trainer's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.audit.decide.judge import Comparison, compare
from vllm_migrate.audit.evidence import REFERENCE, flat, prompts_of, reported, sequences_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.audit.evidence import Evidence
    from vllm_migrate.audit.plan import AuditPlan
    from vllm_migrate.trace.model import Rollout
    from vllm_migrate.workers.protocol import ReplayRecord


class Comparisons:
    """The comparisons of one audit.

    Attributes:
        floor: the reference against itself; `probe_floor` the same over the semantic probe's tokens.
        against_reference: by arm, its forced replay of the reference's tokens; None where there is none.
        against_probe: the same over the semantic probe's tokens; for an arm that nothing can be forced
            through, the trainer's forward over what it sampled itself under the probe's profile.
        against_trainer: by arm, the trainer's forward over its own tokens.
        probe_trainer: the trainer's forward over the probe's tokens.

    Args:
        plan: what was asked.
        evidence: what came of it.
    """

    def __init__(self, plan: AuditPlan, evidence: Evidence) -> None:
        self._plan = plan
        trace, arms = evidence.trace, evidence.arms
        self.floor = self.forced(trace.rollouts, trace.noise_floor)
        self.probe_floor = self.forced(trace.probe, trace.probe_noise_floor)
        self.against_reference = {
            name: self.replayed(trace.rollouts, run.replay) for name, run in arms.items()
        }
        self.against_probe = {
            name: self._own(run.probe_rollouts, run.trainer_probe)
            if run.probe_rollouts
            else self.replayed(trace.probe, run.probe)
            for name, run in arms.items()
        }
        self.against_trainer = {name: self._own(run.rollouts, run.trainer) for name, run in arms.items()}
        reference = arms.get(REFERENCE)
        self.probe_trainer = (
            None if reference is None else self.replayed(trace.probe, reference.trainer_probe)
        )

    def forced(self, rollouts: Sequence[Rollout], logprobs: Sequence[Sequence[float]]) -> Comparison | None:
        """Logprobs of the reference's tokens under another arm, against the reference's own."""
        if not rollouts or len(logprobs) != len(rollouts):
            return None
        return compare(
            flat(rollout.logprobs for rollout in rollouts),
            flat(logprobs),
            prompts_of(rollouts),
            clip=self._plan.clip,
            policy_is_other=False,
            seed=self._plan.seed,
            sequences=sequences_of(rollouts),
        )

    def replayed(self, rollouts: Sequence[Rollout], records: Sequence[ReplayRecord]) -> Comparison | None:
        """`forced`, from the records of a replay."""
        return self.forced(rollouts, [record.logprobs for record in records])

    def _own(self, rollouts: Sequence[Rollout], trainer: Sequence[ReplayRecord]) -> Comparison | None:
        """What an arm sampled itself, against the trainer's forward over it."""
        if not rollouts or len(trainer) != len(rollouts):
            return None
        return compare(
            flat(rollout.logprobs for rollout in rollouts),
            reported(trainer),
            prompts_of(rollouts),
            clip=self._plan.clip,
            policy_is_other=True,
            seed=self._plan.seed,
            sequences=sequences_of(rollouts),
        )
