"""A reward model's rewards by several servers: how far they lie apart, and whether they order texts alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from vllm_migrate.reward.figures import clustered_mean
from vllm_migrate.reward.sample import TIE
from vllm_migrate.statistics.verdict import Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

REFERENCE, V0, V1 = "reference", "v0", "v1"
DEFAULT, ALONE, LEFT = "as started", "one at a time", "padded on the left"
BARE, DTYPE, HEAD = "without activation", "in the other's dtype", "head in the model's dtype"
APART = (
    0.02  # standard deviations from which two rewards are two; judgement: kernels differ by less in bfloat16
)


@dataclass(frozen=True, slots=True)
class Served:
    """What one server said to the samples in one way of asking it.

    Attributes:
        side: REFERENCE (transformers), V0 or V1.
        server: as reports call it: "V0 0.8.5".
        way: one of the constants above. ALONE and LEFT hold the first samples only.
        settings: effective ones, as the server's worker reads them: activation, head_dtype, dtype, ...
        rewards: NaN where there is none, shape (samples asked,).
        digests: of the token ids that were scored.
    """

    side: str
    server: str
    way: str
    settings: dict[str, Any]
    rewards: NDArray[np.float64]
    digests: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Compared:
    """Two servings of the same texts.

    Attributes:
        turned: share of the pairs of one prompt's completions that the two order differently, or only one
            of them orders at all. Pairs within 0.02 standard deviations in both are left out.
        pairs: how many those are.
        difference: mean absolute difference; `of_spread` in standard deviations of the first one's rewards
            (of the second one's where the first one's don't vary).
        texts: how many both scored.
    """

    turned: Estimate
    pairs: int
    difference: float
    of_spread: float
    texts: int


def compared(
    first: NDArray[np.float64], second: NDArray[np.float64], groups: NDArray[np.int64], *, seed: int = 0
) -> Compared:
    """How far two servings of the same texts are apart.

    Args:
        first: rewards, NaN where there is none, shape (texts,).
        second: likewise, of the same texts.
        groups: the prompt of each text. Where no prompt has two texts, all texts are compared.
        seed: of the interval, for which prompts are resampled.
    """
    usable = np.isfinite(first) & np.isfinite(second)
    first, second, groups = first[usable], second[usable], groups[usable]
    if not len(first):
        return Compared(Estimate(float("nan")), 0, float("nan"), float("nan"), 0)
    difference = float(np.mean(np.abs(second - first)))
    spreads = float(first.std()), float(second.std())
    spread = next((one for one in spreads if one > TIE), 0.0)
    turned, owners = _turned(_standard(first), _standard(second), groups)
    return Compared(
        clustered_mean(turned, owners, seed=seed) if len(turned) else Estimate(0.0, 0.0, 0.0),
        len(turned),
        difference,
        difference / spread if spread else 0.0,
        len(first),
    )


def _standard(rewards: NDArray[np.float64]) -> NDArray[np.float64]:
    """In standard deviations; zeros where they don't vary."""
    spread = rewards.std()
    return (rewards - rewards.mean()) / spread if spread > TIE else np.zeros(len(rewards))


def _turned(
    first: NDArray[np.float64], second: NDArray[np.float64], groups: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """1 for every pair that is ordered differently, else 0; and the prompt of each pair."""
    left, right = np.triu_indices(len(first), 1)
    together = groups[left] == groups[right]
    if not together.any():  # one completion a prompt
        together = np.ones(len(left), dtype=bool)
    left, right = left[together], right[together]
    one, other = first[left] - first[right], second[left] - second[right]
    counted = np.maximum(np.abs(one), np.abs(other)) > APART
    turned = (one * other <= 0).astype(np.float64)
    return turned[counted], groups[left][counted]
