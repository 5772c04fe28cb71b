"""A reward model by transformers: `AutoModelForSequenceClassification`, its logits as they are."""

from __future__ import annotations

import resource
import time
from typing import TYPE_CHECKING, Any

from .backend import WorkerError
from .protocol import Loaded
from .scoring import ScoringBackend

if TYPE_CHECKING:
    from .protocol import LoadRequest
    from .score_protocol import ScoreRequest

DTYPES = ("auto", "bfloat16", "float16", "float32")


def start(request: LoadRequest) -> Classifier:
    """Load the checkpoint. `engine_args` may hold `dtype` (default: the checkpoint's own) and `device`.

    Raises:
        WorkerError: "unsupported" for other arguments, "start" where transformers can't load the checkpoint,
            "input" where it lacks a head, which transformers would fill with random numbers.
    """
    import torch
    import transformers

    arguments = dict(request.engine_args)
    dtype = str(arguments.pop("dtype", "auto"))
    device = str(arguments.pop("device", "cuda" if torch.cuda.is_available() else "cpu"))
    if arguments:
        raise WorkerError(
            "unsupported", f"transformers takes dtype and device, not {', '.join(sorted(arguments))}"
        )
    if dtype not in DTYPES:
        raise WorkerError("unsupported", f"the dtype is one of {', '.join(DTYPES)}, not {dtype}")
    before = time.perf_counter()
    try:
        model, found = transformers.AutoModelForSequenceClassification.from_pretrained(
            request.model,
            torch_dtype=dtype if dtype == "auto" else getattr(torch, dtype),
            local_files_only=True,
            output_loading_info=True,
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(request.model, local_files_only=True)
        model = model.to(device).eval()
    except Exception as error:
        line = (str(error).strip().splitlines() or [""])[0]
        raise WorkerError("start", f"{type(error).__name__}: {line}") from error
    missing = sorted(found["missing_keys"])
    if missing:
        raise WorkerError(
            "input", f"the checkpoint is no trained reward model: it has no {', '.join(missing[:3])}"
        )
    return Classifier(model, tokenizer, time.perf_counter() - before)


class Classifier(ScoringBackend):
    """One sequence classifier in evaluation mode."""

    def __init__(self, model: Any, tokenizer: Any, seconds: float) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._seconds = seconds
        config = model.config
        self._had_pad = getattr(config, "pad_token_id", None) is not None
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token  # as TRL's trainers do
        if not self._had_pad:
            config.pad_token_id = tokenizer.pad_token_id

    def loaded(self) -> Loaded:
        """What came up."""
        import transformers

        model = self._model
        head = getattr(model, "score", getattr(model, "classifier", None))
        weights = list(head.parameters()) if head is not None else []
        return Loaded(
            engine_class=f"{type(model).__module__}.{type(model).__qualname__}",
            runner="transformers",
            version=transformers.__version__,
            settings={
                "dtype": str(model.dtype).removeprefix("torch."),
                "head_dtype": str((weights[0] if weights else model).dtype).removeprefix("torch."),
                "device": str(model.device.type),
                "activation": "none",
                "labels": [str(name) for _, name in sorted(model.config.id2label.items())],
                "problem_type": str(getattr(model.config, "problem_type", None) or ""),
                "pad_token_id": self._tokenizer.pad_token_id,
                "eos_token_id": self._tokenizer.eos_token_id,
                "chat_template": bool(getattr(self._tokenizer, "chat_template", None)),
            },
            seconds=self._seconds,
            peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        )

    def tokenizer(self) -> Any:
        """The checkpoint's."""
        return self._tokenizer

    def longest(self) -> int:
        """Positions of the model."""
        return int(getattr(self._model.config, "max_position_embeddings", None) or 2**31)

    def score_batch(self, batch: list[list[int]], request: ScoreRequest) -> list[list[float]]:
        """Logits, padded on the side that the request says."""
        import torch

        device = self._model.device
        pad = self._tokenizer.pad_token_id or 0
        width = max(map(len, batch))
        rows, masks = [], []
        for ids in batch:
            missing = width - len(ids)
            row, mask = [pad] * missing, [0] * missing
            rows.append(row + ids if request.padding == "left" else ids + row)
            masks.append(mask + [1] * len(ids) if request.padding == "left" else [1] * len(ids) + mask)
        with torch.inference_mode():
            logits = self._model(
                input_ids=torch.tensor(rows, device=device),
                attention_mask=torch.tensor(masks, device=device),
            ).logits
        values: list[list[float]] = logits.float().reshape(len(batch), -1).tolist()
        return values
