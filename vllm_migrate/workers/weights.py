"""Digests of the weights a live engine computes with, and tensors of a checkpoint for loading them anew."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .backend import WorkerError
from .sync_protocol import Checksums

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROWS = 8
"""Rows of the fixed input for packed layers: enough for every weight to count in some output."""


def checksums(model: Any) -> Checksums:
    """Digests of every parameter of a model.

    CPU builds repack the weights of linear layers for their kernels and drop the originals, or keep an
    original that is not computed with any more. Such a layer is judged by what it computes: the bytes of its
    output for a fixed input.

    Args:
        model: the torch module the engine runs.
    """
    tensors: dict[str, str] = {}
    unread: list[str] = []
    packed: set[str] = set()
    for name, module in model.named_modules():
        digest = _packed_digest(module)
        if digest:
            packed.add(name)
            tensors[f"{name}.packed"] = digest
    for name, parameter in model.named_parameters():
        if parameter.numel():
            tensors[name] = _digest(parameter)
        elif name.rpartition(".")[0] not in packed:
            unread.append(name)
    return Checksums(tensors, unread)


def packed_away(model: Any) -> bool:
    """Whether the engine dropped original weights, so that nothing can be written into them in place."""
    return any(not parameter.numel() for _, parameter in model.named_parameters())


def load_in_place(model: Any, path: str) -> str:
    """Write a checkpoint's tensors into a running model; says why not, where that can't be done."""
    if packed_away(model):
        return (
            "this CPU build repacks its linear layers and drops the originals, so load_weights has"
            " nothing to write into"
        )
    import torch

    with torch.no_grad():
        model.load_weights(tensors_of(path))
    return ""


def tensors_of(path: str) -> Iterator[tuple[str, Any]]:
    """Name and tensor of everything in a checkpoint's safetensors files.

    Raises:
        WorkerError: "input" where there are none.
    """
    from safetensors import safe_open

    files = sorted(Path(path).glob("*.safetensors"))
    if not files:
        raise WorkerError("input", f"no safetensors files in {path}")
    for file in files:
        with safe_open(str(file), framework="pt") as opened:
            for name in opened.keys():  # noqa: SIM118 - safe_open is no mapping
                yield name, opened.get_tensor(name)


def _digest(tensor: Any) -> str:
    import torch

    flat = tensor.detach().contiguous().reshape(-1).view(torch.uint8).cpu().numpy()
    return hashlib.blake2b(flat.data, digest_size=16).hexdigest()


def _packed_digest(module: Any) -> str:
    """Digest of a packed layer's output; "" where the layer is none, or refuses the input."""
    compute = module.__dict__.get("cpu_linear")
    width = _width(module)
    weight = getattr(module, "weight", None)
    if compute is None or width is None or weight is None:
        return ""
    import torch

    generator = torch.Generator().manual_seed(0)
    sample = torch.randn(_ROWS, width, generator=generator).to(weight.dtype)
    try:
        with torch.no_grad():
            return _digest(compute(sample, weight, None))
    except (RuntimeError, TypeError):  # a kernel with a signature of its own: the caller counts it as unread
        return ""


def _width(module: Any) -> int | None:
    for name in ("input_size_per_partition", "embedding_dim", "input_size"):
        width = getattr(module, name, None)
        if isinstance(width, int):
            return width
    return None
