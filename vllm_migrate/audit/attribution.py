"""Why a candidate differs: suspected from a signature that costs nothing, named after an intervention.

For "raw instead of processed logprobs" the signature is that the candidate's reported logprob equals the log
softmax of its own unmodified logits, and not what the reference reported for the same token. The intervention
flips `logprobs_mode` in the same engine and replays the same tokens. The cause is named where that removes at
least half of the excess over the noise floor, with an interval above zero; what it leaves is reported, not
hidden.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.audit.metrics import ClipRange, reduce_tokens
from vllm_migrate.audit.result import Cause
from vllm_migrate.audit.statistics import bootstrap_ratios

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

NAMED_FROM = 0.5  # share of the excess a flip must remove
_NEGLIGIBLE = 1e-3  # nats; below it there is nothing to explain
_CLOSE = 0.1  # the distance to raw must be below this share of the distance to the reference


@dataclass(frozen=True, slots=True)
class Signature:
    """Mean distance of the candidate's reported logprobs to two things they could be, nats."""

    to_raw: float
    to_reference: float
    tokens: int

    @property
    def raw(self) -> bool:
        """Whether the candidate reports raw logprobs where the reference reports something else."""
        return (
            self.tokens > 0 and self.to_reference > _NEGLIGIBLE and self.to_raw < _CLOSE * self.to_reference
        )


def raw_signature(reported: Floats, raw: Floats, reference: Floats) -> Signature:
    """The signature over tokens; infinite values on any side are left out, `tokens` says how many remain."""
    if not len(raw) == len(reported) == len(reference):
        return Signature(np.inf, 0.0, 0)
    finite = np.isfinite(reported) & np.isfinite(raw) & np.isfinite(reference)
    if not finite.any():
        return Signature(np.inf, 0.0, 0)
    reported, raw, reference = reported[finite], raw[finite], reference[finite]
    return Signature(
        float(np.abs(reported - raw).mean()), float(np.abs(reported - reference).mean()), int(finite.sum())
    )


@dataclass(frozen=True, slots=True)
class Removed:
    """Share of the candidate's excess over the noise floor that a flip removed, with its 95% interval.

    `before` and `after` are mean |d| in nats.
    """

    share: float
    low: float
    high: float
    before: float
    after: float


def share_removed(
    reference: Floats, candidate: Floats, flipped: Floats, prompts: Integers, *, floor: float, seed: int = 0
) -> Removed:
    """Compare the candidate before and after a flip on the same tokens, resampling prompts jointly.

    Args:
        reference: the reference's logprobs, nats.
        candidate: the candidate's before the flip.
        flipped: the candidate's after it.
        prompts: the prompt of each token, ascending.
        floor: mean |d| of the noise floor.
        seed: of the resampling.
    """
    clip = ClipRange()
    before = reduce_tokens(reference, candidate, prompts, clip=clip, policy_is_other=False)
    after = reduce_tokens(reference, flipped, prompts, clip=clip, policy_is_other=False)
    numerators = np.column_stack([before.column("mean_abs"), after.column("mean_abs")])
    denominators = np.column_stack([before.column("shared"), after.column("shared")])
    totals = numerators.sum(axis=0) / np.maximum(denominators.sum(axis=0), 1)
    draws = bootstrap_ratios(numerators, denominators, seed=seed)
    shares = _share(draws[:, 0], draws[:, 1], floor)
    low, high = (float(v) for v in np.quantile(shares, (0.025, 0.975)))
    point = float(_share(totals[:1], totals[1:], floor)[0])
    return Removed(point, low, high, float(totals[0]), float(totals[1]))


def _share(before: Floats, after: Floats, floor: float) -> Floats:
    excess = np.maximum(before - floor, 1e-12)
    left = np.maximum(after - floor, 0.0)
    return 1.0 - left / excess


def _nats(value: float) -> str:
    return f"{value:.1e} nats" if value else "exactly 0"


def name_cause(signature: Signature | None, removed: Removed | None, *, failed: bool) -> tuple[Cause, str]:
    """The cause, and one sentence of evidence with its figures."""
    raw = signature is not None and signature.raw
    if raw and signature is not None and removed is not None and _explains(removed):
        return Cause.RAW_LOGPROBS, (
            f"the candidate's logprobs are its own raw ones (mean difference {_nats(signature.to_raw)},"
            f" against {signature.to_reference:.3f} from the reference's); setting"
            f" logprobs_mode=processed_logprobs alone removes {removed.share:.1%} of the excess (95% interval"
            f" {removed.low:.1%} to {removed.high:.1%}), leaving mean |Δlogp| {removed.after:.4f}"
        )
    if not failed:
        return Cause.NONE, ""
    if raw:
        left = (
            "" if removed is None else f"; flipping logprobs_mode removed {removed.share:.1%} of the excess"
        )
        return Cause.UNEXPLAINED, f"the candidate's logprobs look like raw ones{left}"
    return Cause.UNEXPLAINED, "the candidate does not report raw logprobs, and no other cause is tested yet"


def _explains(removed: Removed) -> bool:
    return removed.share >= NAMED_FROM and removed.low > 0
