"""What the numbers already say about a cause, without a further run. Suspicions, never verdicts.

Each signature looks at tokens both sides support, and speaks only where its figure is clear; the ladder's
interventions decide. Constants are judgement unless a source is named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.audit.cause.steps import to_bf16
from vllm_migrate.audit.decide.statistics import bootstrap_ratios
from vllm_migrate.audit.result import Cause

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from vllm_migrate.trace.model import Prompt, Rollout
    from vllm_migrate.workers.protocol import SamplingSettings

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

_FEWEST = 50  # tokens; below it nothing is said
_SLOPE_NEAR = 0.05
_ONE_SIDED = 0.99
_REPEATED_FACTOR = 3.0
_GROWTH = 1.5  # |d| at the end over |d| at the start
_LATTICE_SHARE = 0.5  # by how much more of one side's positions must lie on the lattice
_SMALLEST = 1e-6  # nats


@dataclass(frozen=True, slots=True)
class Hint:
    """One signature that speaks: the cause it points to and one sentence with its figures."""

    cause: Cause
    words: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """The same tokens on both sides; all arrays have one length.

    Attributes:
        reference, candidate: reported logprobs, nats.
        prompts: the prompt of each token; `positions` where in its completion it stands.
        repeated: whether the token occurred before it, in prompt or completion.
    """

    reference: Floats
    candidate: Floats
    prompts: Integers
    positions: Integers
    repeated: NDArray[np.bool_]

    def shared(self) -> Tokens:
        """Only tokens that both sides support."""
        kept = np.isfinite(self.reference) & np.isfinite(self.candidate)
        return Tokens(
            self.reference[kept],
            self.candidate[kept],
            self.prompts[kept],
            self.positions[kept],
            self.repeated[kept],
        )


def tokens_of(
    prompts: Sequence[Prompt], rollouts: Sequence[Rollout], reference: Floats, candidate: Floats
) -> Tokens:
    """Aligned columns over some rollouts; `reference` and `candidate` are their logprobs, end to end."""
    ids = {prompt.id: prompt.token_ids for prompt in prompts}
    repeated: list[bool] = []
    for rollout in rollouts:
        seen = set(ids[rollout.prompt])
        for token in rollout.token_ids:
            repeated.append(token in seen)
            seen.add(token)
    lengths = [len(rollout.token_ids) for rollout in rollouts]
    return Tokens(
        reference,
        candidate,
        np.repeat(np.array([rollout.prompt for rollout in rollouts], dtype=np.int64), lengths),
        np.concatenate([np.arange(n) for n in lengths]) if lengths else np.zeros(0, dtype=np.int64),
        np.array(repeated, dtype=bool),
    )


def hints(tokens: Tokens, sampling: SamplingSettings) -> list[Hint]:
    """Every signature that speaks, over the tokens both sides support."""
    shared = tokens.shared()
    if len(shared.reference) < _FEWEST or not np.abs(shared.candidate - shared.reference).max() > _SMALLEST:
        return []
    found = (
        slope(shared, sampling),
        kept_mass(shared, sampling),
        repeats(shared, sampling),
        growth(shared),
    )
    return [hint for hint in found if hint is not None]


def slope(tokens: Tokens, sampling: SamplingSettings) -> Hint | None:
    """Candidate regressed on reference: raw logprobs against processed ones have slope T, not 1.

    log softmax(z / T) is z / T less a constant of the position, so the slope is T up to how much that
    constant varies along with the token's own logprob; it is exact where it doesn't vary.
    """
    temperature = sampling.temperature
    if abs(temperature - 1.0) < 2 * _SLOPE_NEAR or sampling.repetition_penalty != 1.0:
        return None
    spread = float(np.var(tokens.reference))
    if spread < _SMALLEST:
        return None
    covariance = float(np.cov(tokens.reference, tokens.candidate, bias=True)[0, 1])
    found = covariance / spread
    if abs(found - temperature) > min(_SLOPE_NEAR, abs(found - 1.0)):
        return None
    return Hint(
        Cause.RAW_LOGPROBS,
        f"candidate on reference has slope {found:.3f}, the temperature {temperature:g}, not 1",
    )


def kept_mass(tokens: Tokens, sampling: SamplingSettings) -> Hint | None:
    """Without renormalisation over the kept tokens every logprob is too low."""
    truncated = sampling.top_p < 1.0 or sampling.min_p > 0.0 or sampling.top_k > 0
    if not truncated or sampling.temperature != 1.0:
        return None
    d = tokens.candidate - tokens.reference
    lower = float((d <= _SMALLEST).mean())
    bound = -np.log(sampling.top_p) if sampling.top_p < 1.0 else np.inf
    if lower < _ONE_SIDED or -float(d.mean()) > bound or -float(d.mean()) < _SMALLEST:
        return None
    return Hint(
        Cause.RAW_LOGPROBS,
        f"{lower:.1%} of the logprobs are lower than the reference's, by {-float(d.mean()):.4f} nats on"
        " average: what is missing is the division by the kept tokens' mass",
    )


def repeats(tokens: Tokens, sampling: SamplingSettings) -> Hint | None:
    """A penalty that acts on one side only moves the tokens that occurred before."""
    if sampling.repetition_penalty == 1.0:
        return None
    distance = np.abs(tokens.candidate - tokens.reference)
    again, fresh = distance[tokens.repeated], distance[~tokens.repeated]
    if min(len(again), len(fresh)) < _FEWEST or fresh.mean() <= 0:
        return None
    factor = float(again.mean() / fresh.mean())
    if factor < _REPEATED_FACTOR:
        return None
    return Hint(
        Cause.PENALTIES,
        f"tokens that occurred before differ {factor:.1f} times as much as new ones"
        f" ({again.mean():.4f} against {fresh.mean():.4f} nats)",
    )


def growth(tokens: Tokens) -> Hint | None:
    """Rounding that accumulates through the cache grows along the completion; clustered by prompt."""
    distance = np.abs(tokens.candidate - tokens.reference)
    last = float(np.quantile(tokens.positions, 0.9))
    early, late = tokens.positions <= last / 3, tokens.positions >= 2 * last / 3
    if min(early.sum(), late.sum()) < _FEWEST or distance[early].mean() <= 0:
        return None
    _, rows = np.unique(tokens.prompts, return_inverse=True)
    count = int(rows.max()) + 1
    sums = np.column_stack([np.bincount(rows, distance * part, minlength=count) for part in (early, late)])
    sizes = np.column_stack([np.bincount(rows, part, minlength=count) for part in (early, late)])
    draws = bootstrap_ratios(sums.astype(np.float64), sizes.astype(np.float64))
    ratio = float(distance[late].mean() / distance[early].mean())
    low = float(np.quantile(draws[:, 1] / np.maximum(draws[:, 0], 1e-12), 0.025))
    if ratio < _GROWTH or low <= 1.0:
        return None
    return Hint(
        Cause.ATTENTION,
        f"the difference grows along the completion: {ratio:.1f} times as large in its last third as in its"
        f" first (95% bound {low:.1f})",
    )


def on_bf16_lattice(top: Sequence[Sequence[float]], *, temperature: float = 1.0) -> float:
    """Share of positions at which the logits could all be bf16 numbers; NaN where there are none to look at.

    Logprobs of one position differ as their logits do (times the temperature for processed ones). A bf16
    number has 8 significant bits, so numbers from 2^e on lie on a lattice of step 2^(e - 7), and so do their
    differences. Between float32 logits all of several differences fit such a step by chance only.

    Args:
        top: per position the logprobs of its most likely tokens, nats; infinite ones are left out.
        temperature: by which the logits were divided.
    """
    fits = total = 0
    for row in top:
        values = np.asarray(row, dtype=np.float64)
        values = values[np.isfinite(values)] * temperature
        if len(values) < 4:  # noqa: PLR2004 - fewer differences would fit by chance
            continue
        differences = values[0] - values[1:6]
        step = 2.0**-12  # of bf16 numbers from 2^-5 to 2^-4; larger ones lie on a multiple of it
        off = np.abs(differences / step - np.round(differences / step))
        total += 1
        fits += bool((off < 0.02).all())  # noqa: PLR2004 - float32 logprobs of about 10 carry 1e-6: 3e-4 of a step
    return fits / total if total else float("nan")


def lattice_hint(
    reference: Sequence[Sequence[float]], candidate: Sequence[Sequence[float]], *, temperature: float
) -> Hint | None:
    """Speaks where the logits of one side lie on the lattice of bf16 numbers and the other's don't.

    The candidate may report raw logprobs, and V0 rounds its temperature: whatever fits best counts.
    """
    divisors = {temperature, to_bf16(temperature), 1.0}
    sides = [max(on_bf16_lattice(side, temperature=t) for t in divisors) for side in (reference, candidate)]
    if any(np.isnan(side) for side in sides) or abs(sides[0] - sides[1]) < _LATTICE_SHARE:
        return None
    which = "reference" if sides[0] > sides[1] else "candidate"
    return Hint(
        Cause.HEAD_PRECISION,
        f"{max(sides):.0%} of the {which}'s positions have logits on the lattice of bf16 numbers,"
        f" {min(sides):.0%} of the other side's",
    )
