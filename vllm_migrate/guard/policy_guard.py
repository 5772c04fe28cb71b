"""The guard: one call a step, a decision back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vllm_migrate.errors import BoundaryError
from vllm_migrate.guard import trend
from vllm_migrate.guard.judge import decide, judge
from vllm_migrate.guard.measure import measure
from vllm_migrate.guard.project import project_boundaries
from vllm_migrate.objective import ClipRange

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vllm_migrate.guard.arrays import Array
    from vllm_migrate.guard.boundaries import Boundaries
    from vllm_migrate.guard.decision import Decision
    from vllm_migrate.guard.judge import InARow
    from vllm_migrate.guard.measured import Measured

_STATE_VERSION = 1
_LEAST_ENTROPIES = 10


class PolicyGuard:
    """Measures every step and says whether it stays within its boundaries.

    Args:
        boundaries: None for the shipped ones with what the project's `[tool.vllm-migrate.guard]` says.
        clip: the objective's clip range, as `objective.clip_range("gspo", 3e-4, 4e-4)` makes
            it; None for PPO's and GRPO's 0.2.
        warm_up: steps at the start in which only broken data count; None for what `boundaries` say.
        reduce: for several ranks that must decide alike: given this rank's vector of sums, shape (K,), on the
            device of its arrays, returns the sum over all ranks. Each rank must be given the same kinds of
            arrays, and groups of completions must not be split between ranks.

    Raises:
        ConfigError: the project's table is wrong.
    """

    def __init__(
        self,
        boundaries: Boundaries | None = None,
        *,
        clip: ClipRange | None = None,
        warm_up: int | None = None,
        reduce: Callable[[Array], Array] | None = None,
    ) -> None:
        self.boundaries = project_boundaries() if boundaries is None else boundaries
        if warm_up is not None:
            if warm_up < 0:
                raise BoundaryError(f"warm_up must be 0 steps or more, not {warm_up}")
            self.boundaries = replace(self.boundaries, warm_up=warm_up)
        self.clip = clip or ClipRange()
        self._reduce = reduce
        self._steps = 0
        self._in_a_row: dict[str, InARow] = {}
        self._entropies: tuple[float, int] = (0.0, 0)  # sum, steps
        self._rewards: list[tuple[float, float]] = []
        self._second: list[tuple[float, float]] = []

    def step(
        self,
        *,
        trainer_logprobs: Array,
        rollout_logprobs: Array | None,
        mask: Array,
        previous_logprobs: Array | None = None,
        reference_logprobs: Array | None = None,
        rewards: Array | None = None,
        advantages: Array | None = None,
        groups: Array | None = None,
        second_rewards: Array | None = None,
        entropy: Array | float | None = None,
        weight_lag: float | None = None,
        step: int | None = None,
    ) -> Decision:
        """Measure one step and decide; call it before `optimizer.step`.

        Arrays are numpy's or torch's, of any float type and on any device; lists are taken, too. B sequences,
        T tokens. Values outside the mask don't matter.

        Args:
            trainer_logprobs: log pi(token) under the policy that is being updated, nats, (B, T).
            rollout_logprobs: what the engine returned for the same tokens, (B, T). None says that there are
                none, which is a crossing of its own.
            mask: 1 or True for sampled tokens that are trained on, (B, T).
            previous_logprobs: the trainer's own, under the weights that sampled, (B, T). None where the
                policy has not moved since: all of trainer - rollout then counts as backend mismatch.
            reference_logprobs: under the base model, (B, T).
            rewards: (B,).
            advantages: (B,) or (B, T).
            groups: the prompt of each completion, whole numbers, (B,). Give them where groups lie whole in
                the batch.
            second_rewards: of a verifier that is not trained on, (B,); NaN where a completion was not scored.
            entropy: of the policy, nats: one number, or (B, T). None: estimated from the trainer's logprobs.
            weight_lag: age of the weights that sampled, in optimizer steps; of several, the largest.
            step: its number; None to count on from the last.

        Raises:
            BoundaryError: shapes that differ, a type that can't be, or a mask that keeps no token.
        """
        measured = measure(
            clip=self.clip,
            reduce=self._reduce,
            weight_lag=weight_lag,
            trainer_logprobs=trainer_logprobs,
            rollout_logprobs=rollout_logprobs,
            mask=mask,
            previous_logprobs=previous_logprobs,
            reference_logprobs=reference_logprobs,
            rewards=rewards,
            advantages=advantages,
            groups=groups,
            second_rewards=second_rewards,
            entropy=entropy,
        )
        return self.decide(measured, step)

    def decide(self, measured: Measured, step: int | None = None) -> Decision:
        """Decide about a step that has been measured, by `measure.figures` of sums taken elsewhere.

        Args:
            measured: its figures.
            step: as in `step`.
        """
        warming_up = self._steps < self.boundaries.warm_up
        self._steps += 1
        measured = self._with_history(measured, warming_up=warming_up)
        crossings, self._in_a_row = judge(self.boundaries, measured, self._in_a_row, warming_up=warming_up)
        return decide(self.boundaries, measured, crossings, self._steps if step is None else step)

    def _with_history(self, measured: Measured, *, warming_up: bool) -> Measured:
        """The figures that earlier steps are needed for; this step joins them."""
        total, steps = self._entropies
        entropy = measured.entropy
        if entropy is not None and not warming_up:
            if steps >= _LEAST_ENTROPIES and total > 0:
                measured = replace(measured, entropy_ratio=entropy / (total / steps))
            self._entropies = (total + entropy, steps + 1)
        reward, second = measured.reward_mean, measured.second_reward_mean
        if reward is not None and second is not None:
            self._rewards = [*self._rewards, (reward, measured.reward_sd or 0.0)][-trend.WINDOW :]
            self._second = [*self._second, (second, measured.second_reward_sd or 0.0)][-trend.WINDOW :]
            measured = replace(measured, reward_gap=trend.gap(self._rewards, self._second))
        return measured

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training needs to go on as if it had not stopped: plain numbers and lists."""
        return {
            "version": _STATE_VERSION,
            "steps": self._steps,
            "in_a_row": {name: list(counts) for name, counts in self._in_a_row.items()},
            "entropies": list(self._entropies),
            "rewards": [list(pair) for pair in self._rewards],
            "second_rewards": [list(pair) for pair in self._second],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that `state_dict` gave, directly or through JSON.

        Raises:
            BoundaryError: it is no such state.
        """
        if state.get("version") != _STATE_VERSION:
            raise BoundaryError(
                f"a guard's state of version {state.get('version')!r} is not known, only {_STATE_VERSION}"
            )
        try:
            steps = int(state["steps"])
            in_a_row = {str(name): _counts(counts) for name, counts in state["in_a_row"].items()}
            total, entropies = state["entropies"]
            entropy = (float(total), int(entropies))
            rewards, second = _pairs(state["rewards"]), _pairs(state["second_rewards"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BoundaryError(f"this is no state of a guard: {error!r}") from None
        self._steps, self._in_a_row, self._entropies = steps, in_a_row, entropy
        self._rewards, self._second = rewards, second


def _counts(counts: Any) -> InARow:
    warned, stopped = counts
    return int(warned), int(stopped)


def _pairs(pairs: Any) -> list[tuple[float, float]]:
    return [(float(mean), float(spread)) for mean, spread in pairs]
