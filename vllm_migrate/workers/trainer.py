"""The trainer's side: a transformers forward over prompt and completion, under the sampling distribution."""

from __future__ import annotations

import inspect
import resource
import time
from typing import TYPE_CHECKING, Any

from .backend import Backend, WorkerError, check_token_ids
from .distribution import sampling_logprobs
from .protocol import Loaded, ReplayRecord

if TYPE_CHECKING:
    from .backend import Progress
    from .protocol import GenerateRequest, LoadRequest, ReplayRequest, RolloutRecord, SamplingSettings

DTYPES = ("bfloat16", "float16", "float32")

LOGITS_BUDGET = {"cpu": 8 * 2**20}
MOST_LOGITS = 256 * 2**20
"""Bytes of float32 logits kept at once, by kind of device: sequences in a batch, but for a single long one.

A CPU is quickest with batches whose activations fit its caches, anything else with large ones.
"""

ROWS = 512
"""Token positions whose distribution is computed at once: sorting the vocabulary takes several copies."""


def start(request: LoadRequest) -> Trainer:
    """Load the checkpoint with transformers. `engine_args` may hold `dtype` (default bfloat16) and `device`.

    Raises:
        WorkerError: "unsupported" for other arguments, "start" where the checkpoint can't be loaded.
    """
    import torch
    import transformers

    arguments = dict(request.engine_args)
    dtype = str(arguments.pop("dtype", "bfloat16"))
    device = str(arguments.pop("device", "cuda" if torch.cuda.is_available() else "cpu"))
    if arguments:
        raise WorkerError(
            "unsupported", f"the trainer takes dtype and device, not {', '.join(sorted(arguments))}"
        )
    if dtype not in DTYPES:
        raise WorkerError("unsupported", f"the trainer computes in {', '.join(DTYPES)}, not {dtype}")
    before = time.perf_counter()
    try:
        model = transformers.AutoModelForCausalLM.from_pretrained(
            request.model, torch_dtype=getattr(torch, dtype), local_files_only=True
        )
        model = model.to(device).eval()
    except Exception as error:
        line = (str(error).strip().splitlines() or [""])[0]
        raise WorkerError("start", f"{type(error).__name__}: {line}") from error
    return Trainer(model, request.model, time.perf_counter() - before)


class Trainer(Backend):
    """One causal language model in evaluation mode."""

    def __init__(self, model: Any, path: str, seconds: float) -> None:
        self._model = model
        self._path = path
        self._seconds = seconds
        self._keeps = "logits_to_keep" in inspect.signature(model.forward).parameters

    def loaded(self) -> Loaded:
        """What came up."""
        import transformers

        model = self._model
        return Loaded(
            engine_class=f"{type(model).__module__}.{type(model).__qualname__}",
            runner="transformers",
            version=transformers.__version__,
            settings={
                "dtype": str(model.dtype).removeprefix("torch."),
                "head_dtype": str(model.get_output_embeddings().weight.dtype).removeprefix("torch."),
                "device": str(model.device.type),
                "attention": str(getattr(model.config, "_attn_implementation", "")),
            },
            seconds=self._seconds,
            peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        )

    def tokenizer(self) -> Any:
        """The checkpoint's."""
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self._path, local_files_only=True)

    def generate(self, request: GenerateRequest, progress: Progress) -> list[RolloutRecord]:
        """Refused: the trainer scores, it does not sample."""
        del request, progress
        raise WorkerError("unsupported", "the trainer scores sequences, it does not sample them")

    def replay(self, request: ReplayRequest, progress: Progress) -> list[ReplayRecord]:
        """Score every completion.

        Sequences are batched by length and padded on the right, where a causal model can't see the padding.
        """
        if len(request.prompts) != len(request.completions):
            raise WorkerError("input", "prompts and completions differ in number")
        vocabulary = int(self._model.get_output_embeddings().weight.shape[0])
        check_token_ids(request.prompts, vocabulary, "prompt")
        check_token_ids(request.completions, vocabulary, "completion")
        count = len(request.prompts)
        lengths = [len(p) + len(c) for p, c in zip(request.prompts, request.completions, strict=True)]
        by_length = sorted(range(count), key=lambda index: lengths[index])
        with_top = set(request.top_of)
        most = LOGITS_BUDGET.get(self._model.device.type, MOST_LOGITS)
        records: dict[int, ReplayRecord] = {}
        while by_length:
            batch = _take(by_length, lengths, most // (4 * vocabulary))
            for index, logits in zip(batch, self._logits(request, batch), strict=True):
                prompt, completion = request.prompts[index], request.completions[index]
                records[index] = _score(
                    logits,
                    prompt,
                    completion,
                    request.sampling,
                    min_p_first=request.min_p_first,
                    top=request.top if index in with_top else 0,
                )
            progress(len(records), count)
        return [records[index] for index in range(count)]

    def _logits(self, request: ReplayRequest, batch: list[int]) -> list[Any]:
        """Logits `[completion, vocab]` that predict each completion's tokens, for a batch of sequences."""
        import torch

        device = self._model.device
        sequences = [request.prompts[i] + request.completions[i] for i in batch]
        width = max(map(len, sequences))
        ids = torch.zeros((len(batch), width), dtype=torch.long)
        for row, sequence in enumerate(sequences):
            ids[row, : len(sequence)] = torch.tensor(sequence)
        first = min(len(request.prompts[i]) for i in batch) - 1
        keep = {"logits_to_keep": width - first} if self._keeps else {}
        with torch.inference_mode():
            # Without a mask attention is plainly causal, and quicker; padding on the right is never seen.
            logits = self._model(input_ids=ids.to(device), use_cache=False, **keep).logits
        offset = width - logits.shape[1]
        rows = []
        for row, index in enumerate(batch):
            start_at = len(request.prompts[index]) - 1 - offset
            rows.append(logits[row, start_at : start_at + len(request.completions[index])])
        return rows


def _take(queue: list[int], lengths: list[int], positions: int) -> list[int]:
    """Remove the next batch from a queue sorted by length: as many as `positions` hold, padding included."""
    batch: list[int] = []
    while queue:
        longest = lengths[queue[0]]
        if batch and (len(batch) + 1) * longest > positions:
            break
        batch.append(queue.pop(0))
    return batch


def _score(
    logits: Any,
    prompt: list[int],
    completion: list[int],
    sampling: SamplingSettings,
    *,
    min_p_first: bool,
    top: int = 0,
) -> ReplayRecord:
    import torch

    tokens = torch.tensor(completion, device=logits.device)
    reported: list[float] = []
    raw: list[float] = []
    top_ids: list[list[int]] = []
    top_logprobs: list[list[float]] = []
    for begin in range(0, len(completion), ROWS):
        part = logits[begin : begin + ROWS]
        chosen = tokens[begin : begin + ROWS].unsqueeze(1)
        seen = _seen(prompt, completion, begin, part) if sampling.repetition_penalty != 1.0 else None
        sampled_from = sampling_logprobs(part, sampling, seen, min_p_first=min_p_first)
        reported += sampled_from.gather(1, chosen).squeeze(1).tolist()
        raw += part.log_softmax(dim=-1, dtype=torch.float32).gather(1, chosen).squeeze(1).tolist()
        if top:
            most = sampled_from.topk(min(top, sampled_from.shape[-1]), dim=-1)
            top_ids += most.indices.tolist()
            top_logprobs += most.values.tolist()
    return ReplayRecord(reported, raw, list(completion), top_ids, top_logprobs)


def _seen(prompt: list[int], completion: list[int], begin: int, part: Any) -> Any:
    """`[rows, vocab]`: which ids stand in the prompt or in the completion before each row's token."""
    import torch

    rows, vocabulary = part.shape
    first = torch.full((vocabulary,), len(completion) + 1, dtype=torch.long)
    for position in reversed(range(len(completion))):
        first[completion[position]] = position
    first[torch.tensor(prompt)] = -1
    positions = torch.arange(begin, begin + rows)
    return (first.unsqueeze(0) < positions.unsqueeze(1)).to(part.device)
