"""Scores rollouts as a GRPO trainer would: with the prompt's columns repeated for each of its completions."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from vllm_migrate.reward.calling.score import score
from vllm_migrate.reward.calling.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.reward.calling.named_reward import RewardFunction
    from vllm_migrate.trace.model import Prompt, Rollout


def score_rollouts(
    function: RewardFunction, prompts: Sequence[Prompt], rollouts: Sequence[Rollout]
) -> list[float]:
    """One reward a rollout, in their order.

    A column that a prompt lacks is None for it.

    Raises:
        RewardError: as `calling.score.score`.
    """
    asked = [prompts[rollout.prompt] for rollout in rollouts]
    names = sorted({name for prompt in prompts for name in prompt.columns})
    sizes = Counter(rollout.prompt for rollout in rollouts)
    texts = Texts(
        prompts=[prompt.text for prompt in asked],
        completions=[rollout.text for rollout in rollouts],
        completion_ids=[rollout.token_ids for rollout in rollouts],
        columns={name: [prompt.columns.get(name) for prompt in asked] for name in names},
        group=max(sizes.values(), default=1),
    )
    return score(function, texts)
