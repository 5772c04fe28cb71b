"""Scoring by `prompt_logprobs`: one prefill over prompt and completion instead of decoding.

V0 reports them processed, V1 raw whatever its `logprobs_mode` (measured on 0.8.5, 0.18.1 and 0.32.0, on CPU).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .backend import WorkerError
from .protocol import ReplayRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from .backend import Progress
    from .protocol import ReplayRequest


def score(
    request: ReplayRequest,
    jobs: list[int],
    sampling_params: Callable[..., Any],
    run: Callable[[list[list[int]], list[Any], Progress], list[Any]],
    progress: Progress,
) -> list[ReplayRecord]:
    """The `prompt_logprobs` of every completion, in the order of the request's sequences.

    Args:
        request: what to score.
        jobs: indices of its sequences in the order they are handed to the engine.
        sampling_params: makes `SamplingParams` from settings and further keywords.
        run: sends prompts with their parameters through the engine.
        progress: told how many are done.
    """
    texts = [request.prompts[job] + request.completions[job] for job in jobs]
    params = [sampling_params(request.sampling, max_tokens=1, prompt_logprobs=0) for _ in jobs]
    records: dict[int, ReplayRecord] = {}
    for job, text, output in zip(jobs, texts, run(texts, params, progress), strict=True):
        entries = output.prompt_logprobs or []
        if len(entries) != len(text):
            raise WorkerError(
                "engine", f"sequence {job}: {len(entries)} prompt logprobs for {len(text)} tokens"
            )
        begin = len(request.prompts[job])
        logprobs = [
            float(entry[token].logprob) for token, entry in zip(text[begin:], entries[begin:], strict=True)
        ]
        records[job] = ReplayRecord(logprobs=logprobs, raw=[], emitted=list(request.completions[job]))
    return [records[index] for index in range(len(request.prompts))]
