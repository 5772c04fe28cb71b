"""The precision of the last projection, changed in a live engine.

vLLM 0.32.0 reads `LogitsProcessor.head_dtype` at every call, so setting it is enough. Earlier releases have
no such setting for generation; there the projection of this one instance is replaced and put back. Both were
compared with engines started that way (bitwise equal, on CPU).
"""

from __future__ import annotations

from typing import Any

from .backend import WorkerError

DTYPES = ("float32", "bfloat16", "float16")
_PROJECTION = "_get_logits"


def head_dtype(model: Any, model_dtype: Any) -> str:
    """The dtype in which the last projection is computed."""
    processor = getattr(model, "logits_processor", None)
    patched = getattr(processor, "__dict__", {}).get(_PROJECTION)
    if patched is not None:
        return "float32"
    native = getattr(processor, "head_dtype", None)
    return str(model_dtype if native is None else native).removeprefix("torch.")


def flip_head_dtype(model: Any, model_dtype: Any, wanted: str) -> dict[str, Any]:
    """Compute the last projection in `wanted` from now on.

    Args:
        model: the live model; its `logits_processor` is changed.
        model_dtype: the dtype of its other layers, which is what the head has by default.
        wanted: a name in `DTYPES`.

    Returns:
        What `Backend.flip` returns.

    Raises:
        WorkerError: "unsupported" for another dtype.
    """
    import torch

    if wanted not in DTYPES:
        raise WorkerError("unsupported", f"head_dtype is one of {', '.join(DTYPES)}, not {wanted}")
    was = head_dtype(model, model_dtype)
    processor: Any = getattr(model, "logits_processor", None)
    why = _obstacle(model, processor)
    if why:
        return {"live": False, "was": was, "why": why}
    if hasattr(processor, "head_dtype"):
        processor.head_dtype = getattr(torch, wanted)
    elif wanted == str(model_dtype).removeprefix("torch."):
        vars(processor).pop(_PROJECTION, None)
    elif wanted == "float32":
        _patch(processor)
    else:
        return {"live": False, "was": was, "why": f"this release has no setting for a {wanted} head"}
    return {"live": True, "was": was, "why": ""}


def _obstacle(model: Any, processor: Any) -> str:
    """Why the head can't be changed; empty where it can."""
    if processor is None or not hasattr(processor, _PROJECTION):
        return f"{type(model).__name__} keeps its last projection elsewhere"
    weight = getattr(getattr(model, "lm_head", None), "weight", None)
    if weight is None or not weight.is_floating_point() or weight.numel() == 0:
        return "the last projection has no plain weight: quantised, packed or tied under another name"
    return ""


def _patch(processor: Any) -> None:
    import torch
    from torch.nn.functional import linear

    def project(hidden_states: Any, lm_head: Any, embedding_bias: Any, *_: Any, **__: Any) -> Any:
        bias = None if embedding_bias is None else embedding_bias.to(torch.float32)
        logits = linear(hidden_states.to(torch.float32), lm_head.weight.to(torch.float32), bias)
        logits = processor._gather_logits(logits)  # noqa: SLF001 - the step that follows in the original
        return None if logits is None else logits[..., : processor.org_vocab_size]

    vars(processor)[_PROJECTION] = project
