"""The user's policy objective, as far as it decides which ratios are clipped.

What is measured is the share that would be clipped though the policy has not moved: all of it is the engines'
difference, none of it learning.

| objective | ratio | clipped | default |
|---|---|---|---|
| ppo | a token's | outside [1 - low, 1 + high] | 0.2 both (J. Schulman et al., arXiv 1707.06347) |
| grpo | a token's | the same | 0.2 both (Z. Shao et al., arXiv 2402.03300, as TRL and verl set it) |
| gspo | a sequence's, exp(mean d) | the same | 3e-4 and 4e-4 (C. Zheng et al., arXiv 2507.18071) |
| cispo | a token's | above 1 + high | 4: the cap of 5 that ScaleRL (arXiv 2510.13786) and TRL recommend |
| reinforce | a token's | above 1 + high | 0.02, PipelineRL's configuration |

CISPO (MiniMax-M1, arXiv 2506.13585) leaves the lower side open; TRL's `epsilon_high` for it is the cap
itself, 1 + high. PPO clips one side a token, by its advantage's sign; both sides count here, since the sign
is not the engine's doing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from vllm_migrate.errors import UsageError

PPO, GRPO, GSPO, CISPO, REINFORCE = "ppo", "grpo", "gspo", "cispo", "reinforce"
DEFAULTS = {
    PPO: (0.2, 0.2),
    GRPO: (0.2, 0.2),
    GSPO: (3e-4, 4e-4),
    CISPO: (1.0, 4.0),
    REINFORCE: (1.0, 0.02),
}
_UPPER_SIDE_ONLY = (CISPO, REINFORCE)


@dataclass(frozen=True, slots=True)
class ClipRange:
    """A ratio outside [1 - low, 1 + high] is clipped; `low` 1 leaves the lower side open."""

    low: float = 0.2
    high: float = 0.2
    objective: str = PPO

    @property
    def by_sequence(self) -> bool:
        """Whether one ratio stands for a whole sequence."""
        return self.objective == GSPO

    @property
    def bounds(self) -> tuple[float, float]:
        """The range for the log ratio, nats."""
        return (math.log1p(-self.low) if self.low < 1 else -math.inf), math.log1p(self.high)


def clip_range(objective: str, low: float | None = None, high: float | None = None) -> ClipRange:
    """The clip range of an objective; what is not given is the objective's default.

    As in every trainer, `low` alone sets both sides. For an objective that clips the upper side only, it is
    that side.

    Raises:
        UsageError: no such objective, or a range that can't be.
    """
    if objective not in DEFAULTS:
        raise UsageError(f"--objective {objective!r} is not one of {', '.join(DEFAULTS)}")
    usual_low, usual_high = DEFAULTS[objective]
    if objective in _UPPER_SIDE_ONLY:
        upper = high if high is not None else low
        found = ClipRange(usual_low, usual_high if upper is None else upper, objective)
    else:
        upper = high if high is not None else low
        found = ClipRange(
            usual_low if low is None else low, usual_high if upper is None else upper, objective
        )
    if not 0 < found.low <= 1 or not 0 < found.high < math.inf:
        raise UsageError("--clip-range must be above 0 and at most 1")
    return found
