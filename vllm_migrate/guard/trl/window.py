"""The sums of one optimizer step, over its micro batches and over all processes.

Every entry of the guard's vector is a sum over tokens or sequences, so that the vectors of micro batches add
up to that of the step, and those of processes to that of all. Nothing is copied to the host before the
decision; then it is one short vector.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vllm_migrate.errors import BoundaryError
from vllm_migrate.guard.inputs import read
from vllm_migrate.guard.measure import figures
from vllm_migrate.guard.sums import of_rows, of_tokens
from vllm_migrate.guard.trl import layout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vllm_migrate.guard.arrays import Arrays
    from vllm_migrate.guard.inputs import Batch
    from vllm_migrate.guard.measured import Measured
    from vllm_migrate.objective import ClipRange


class Window:
    """What has been seen of one optimizer step.

    Attributes:
        micro_batches: how many of this process have been added.
        weight_lag: of the oldest completions among them, optimizer steps.
    """

    def __init__(self, clip: ClipRange) -> None:
        self._clip = clip
        self._names: tuple[str, ...] = ()
        self._vector: Any = None
        self._ops: Arrays | None = None
        self._half = False
        self._rows: tuple[tuple[str, ...], Any] = ((), None)
        self.micro_batches = 0
        self.weight_lag = 0

    def add(self, inputs: Mapping[str, Any], logprobs: Any, entropies: Any, *, weight_lag: int) -> None:
        """Add a micro batch.

        Args:
            inputs: TRL's dictionary of it: masks and logprobs of shape (B, T).
            logprobs: under the policy as it is, nats, (B, T).
            entropies: of its distributions, nats, (B, T), or None.
            weight_lag: optimizer steps since its completions were sampled.

        Raises:
            BoundaryError: arrays that don't fit together.
        """
        mask = inputs[layout.MASK]
        if inputs.get(layout.TOOL_MASK) is not None:
            mask = mask * inputs[layout.TOOL_MASK]
        ops, batch = read(
            trainer_logprobs=logprobs,
            rollout_logprobs=inputs.get(layout.SAMPLING),
            mask=mask,
            previous_logprobs=inputs.get(layout.OLD),
            reference_logprobs=inputs.get(layout.REFERENCE),
            entropy=entropies,
        )
        with ops.quiet():
            sums = of_tokens(ops, batch, self._clip)
            vector = ops.vector(sums)
        if self.micro_batches and tuple(sums) != self._names:
            raise BoundaryError("the micro batches of one optimizer step hold different kinds of logprobs")
        self._names, self._ops = tuple(sums), ops
        self._vector = vector if self._vector is None else self._vector + vector
        self._half = self._half or batch.half_precision
        self.micro_batches += 1
        self.weight_lag = max(self.weight_lag, weight_lag)

    def add_rows(self, rows: tuple[tuple[str, ...], Any]) -> None:
        """Add the sums over rewards and advantages of a generation batch, all processes' together."""
        self._rows = rows

    def measured(self, accelerator: Any) -> Measured | None:
        """The figures of the step, the same in every process; None where the masks keep no token.

        That happens: TRL's `mask_truncated_completions` may mask a whole batch.

        Raises:
            BoundaryError: nothing was added.
        """
        if self._ops is None:
            raise BoundaryError("the guard saw no micro batch of this optimizer step")
        vector = self._vector
        if accelerator.num_processes > 1:
            # Gathered and then added up in one order: to the last bit the same sum in every process, so that
            # all decide alike. An all-reduce does not promise that on every backend.
            vector = accelerator.gather(vector.unsqueeze(0)).sum(dim=0)
        names, rows = self._rows
        if rows is not None:
            vector = self._ops.xp.cat([vector, rows.to(vector.device, vector.dtype)])
        found = dict(zip((*self._names, *names), self._ops.host(vector), strict=True))
        if not found["masked"]:
            return None
        return figures(
            found,
            clip=self._clip,
            half_precision=self._half,
            movement_known=True,  # TRL leaves the old logprobs out only where the policy has not moved
            weight_lag=self.weight_lag,
        )


def sums_of_rows(
    rewards: Any, groups: Any, advantages: Any | None, second_rewards: Any | None
) -> tuple[tuple[str, ...], Any]:
    """Names and vector of the sums over a generation batch; arguments as in `PolicyGuard.step`."""
    ops, batch = _rows(rewards, groups, advantages, second_rewards)
    with ops.quiet():
        sums = of_rows(ops, batch)
        return tuple(sums), ops.vector(sums)


def _rows(
    rewards: Any, groups: Any, advantages: Any | None, second_rewards: Any | None
) -> tuple[Arrays, Batch]:
    one_token = rewards.new_zeros((len(rewards), 1))
    return read(
        trainer_logprobs=one_token,
        rollout_logprobs=None,
        mask=one_token == 0,
        rewards=rewards,
        groups=groups,
        advantages=advantages,
        second_rewards=second_rewards,
    )
