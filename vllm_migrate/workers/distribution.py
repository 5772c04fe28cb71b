"""The sampling distribution, step by step in the engines' own order, in float32.

V1 (`vllm/v1/sample/sampler.py`): penalties, temperature, min_p, then top-k and top-p. V0
(`vllm/model_executor/layers/sampler.py`): penalties, temperature, top-k and top-p, then min_p. Ties at the
top-k threshold stay in, and the nucleus is cut on ascending order with `cumulative <= 1 - top_p`, as both do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .protocol import SamplingSettings

GREEDY_BELOW = 1e-5
"""Both engines decode greedily below this temperature: no scaling, no filter."""


def sampling_logprobs(logits: Any, sampling: SamplingSettings, seen: Any, *, min_p_first: bool) -> Any:
    """Log probabilities of the distribution the next token is drawn from.

    Args:
        logits: `[rows, vocab]`, any float type; not modified.
        sampling: temperature, filters and repetition penalty.
        seen: `[rows, vocab]` booleans, the ids in prompt and output so far; None where there is no penalty.
        min_p_first: V1's order; False is V0's.

    Returns:
        `[rows, vocab]` in float32, -inf outside the kept set.
    """
    import torch

    scores = logits.to(torch.float32, copy=True)
    if sampling.repetition_penalty != 1.0:
        penalty = sampling.repetition_penalty
        scores = torch.where(seen, torch.where(scores > 0, scores / penalty, scores * penalty), scores)
    if sampling.temperature < GREEDY_BELOW:
        return scores.log_softmax(dim=-1)
    scores = scores / sampling.temperature
    if min_p_first:
        scores = _min_p(scores, sampling.min_p)
    scores = _top_k_top_p(scores, sampling.top_k, sampling.top_p)
    if not min_p_first:
        scores = _min_p(scores, sampling.min_p)
    return scores.log_softmax(dim=-1)


def _min_p(scores: Any, min_p: float) -> Any:
    if min_p <= 0.0:
        return scores
    probabilities = scores.softmax(dim=-1)
    floor = probabilities.amax(dim=-1, keepdim=True) * min_p
    return scores.masked_fill(probabilities < floor, float("-inf"))


def _top_k_top_p(scores: Any, top_k: int, top_p: float) -> Any:
    vocabulary = scores.shape[-1]
    limited = 0 < top_k < vocabulary
    if not limited and top_p >= 1.0:
        return scores
    if limited:
        threshold = scores.topk(top_k, dim=-1).values[:, -1:]
        kept = int((scores >= threshold).sum(dim=-1).max())  # more than top_k where some tie at the threshold
        descending, order = scores.topk(kept, dim=-1)
        ascending, order = descending.flip(-1), order.flip(-1)  # sorting them all costs far more
        ascending = ascending.masked_fill(ascending < threshold, float("-inf"))
    else:
        ascending, order = scores.sort(dim=-1, descending=False)
    if top_p < 1.0:
        cut = ascending.softmax(dim=-1).cumsum(dim=-1) <= 1.0 - top_p
        cut[:, -1] = False  # at least one token stays
        ascending = ascending.masked_fill(cut, float("-inf"))
    return scores.new_full(scores.shape, float("-inf")).scatter(-1, order, ascending)
