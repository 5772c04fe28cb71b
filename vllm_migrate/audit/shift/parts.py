"""From rollouts and their rewards to what the split of their shift is worked out from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.audit.shift.split import Written, split_shift
from vllm_migrate.reward.answers.second import opinions
from vllm_migrate.reward.read import answer_of
from vllm_migrate.reward.sample import Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.audit.sections import RewardSplit
    from vllm_migrate.trace.model import Prompt, Rollout

FROM_WEIGHTS = (
    "the difference of the free runs, whose sampling is noise; the verdict is from forced replay, without it"
)


def split_of(
    prompts: Sequence[Prompt],
    reference: tuple[Sequence[Rollout], Sequence[float]],
    candidate: tuple[Sequence[Rollout], Sequence[float]],
    *,
    fixed: Sequence[float] | None = None,
    forced: bool = False,
    seed: int = 0,
) -> RewardSplit | None:
    """The split of the difference between both sides' own completions.

    What is right is judged by our own normaliser, on both sides in the same way. (math-verify, which takes
    samples of large numbers of completions, is not asked: what it adds would differ between the sides.)

    Args:
        prompts: of both sides; a rollout's prompt is its place in them.
        reference: rollouts and one reward each.
        candidate: likewise.
        fixed: what the reference's scorer says to the candidate's rollouts, where it is another one.
        forced: whether the verdict was from forced replay.
        seed: of the resampling.
    """
    if any(len(rollouts) != len(rewards) for rollouts, rewards in (reference, candidate)):
        return None
    both = [*reference[0], *candidate[0]]
    by_tokens = all(rollout.token_ids for rollout in both)
    written = [
        _written(prompts, rollouts, rewards, said, by_tokens=by_tokens)
        for (rollouts, rewards), said in ((reference, None), (candidate, fixed))
    ]
    return split_shift(
        written[0],
        written[1],
        length_unit="tokens" if by_tokens else "characters",
        seed=seed,
        notes=(FROM_WEIGHTS,) if forced else (),
    )


def _written(
    prompts: Sequence[Prompt],
    rollouts: Sequence[Rollout],
    rewards: Sequence[float],
    fixed: Sequence[float] | None,
    *,
    by_tokens: bool,
) -> list[Written]:
    samples = [
        Sample(
            prompt=prompts[rollout.prompt].text,
            completion=rollout.text,
            answer=answer_of(prompts[rollout.prompt].columns),
            finish_reason=rollout.finish_reason,
        )
        for rollout in rollouts
    ]
    judged = opinions(samples, mathematics=False)
    return [
        Written(
            prompt=rollout.prompt,
            reward=reward,
            length=float(len(rollout.token_ids) if by_tokens else len(rollout.text)),
            finish_reason=rollout.finish_reason,
            right=judged[place].right if place in judged else None,
            fixed=None if fixed is None else fixed[place],
        )
        for place, (rollout, reward) in enumerate(zip(rollouts, rewards, strict=True))
    ]
