"""Writes a checkpoint with a small known change: the new weights of a probed weight update.

Seeded Gaussian noise is added to every tensor of float32, float16 or bfloat16, in proportion to that tensor's
own standard deviation, or to its mean where its values hardly differ, as in a norm: there bfloat16 would
swallow anything smaller. A tensor of zeros stays one. Files are read and written in pieces.
"""

from __future__ import annotations

import json
import shutil
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from vllm_migrate.errors import InputError, UsageError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

NOISE = 0.02
"""Standard deviation of the change relative to each tensor's own. Judgement: a change of 0.01 moves logprobs
of a small model by about 1e-3 nats, one of 0.05 by about 6e-3, a policy update's order of magnitude."""

_LENGTH = 8
_LARGEST_HEADER = 100_000_000
_PIECE = 1 << 22  # elements at a time
_ROOM = 1.1
_HARDLY = 0.1  # of the mean
_TYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2")}
_SUFFIX = ".safetensors"


def weight_bytes(model: Path) -> int:
    """Size of a checkpoint's safetensors files; 0 where it has none."""
    return sum(path.stat().st_size for path in model.glob(f"*{_SUFFIX}"))


def write_changed(model: Path, target: Path, *, seed: int, noise: float = NOISE) -> int:
    """Write a checkpoint whose weights differ from another's by seeded noise.

    Args:
        model: the checkpoint, in safetensors files.
        target: an existing empty directory.
        seed: of the noise.
        noise: its standard deviation, relative to that of each tensor.

    Returns:
        How many tensors were changed.

    Raises:
        UsageError: the checkpoint has no safetensors files, or the disk has no room for another.
        InputError: a file is damaged, or can't be read or written.
    """
    files = sorted(model.glob(f"*{_SUFFIX}"))
    if not files:
        raise UsageError(f"{model} has no safetensors files, so no changed copy can be written")
    needed = weight_bytes(model)
    if shutil.disk_usage(target).free < needed * _ROOM:
        raise UsageError(f"a changed copy of {model} needs {needed / 1e9:.1f} GB on disk, which are not free")
    try:
        for path in model.iterdir():
            if path.is_file() and path.suffix not in (_SUFFIX, ".bin", ".pt", ".pth", ".gguf"):
                shutil.copyfile(path, target / path.name)
        return sum(_change(path, target / path.name, seed, noise) for path in files)
    except OSError as error:
        raise InputError(f"can't write a changed copy of {model}: {error.strerror or error}") from None


def _change(source: Path, target: Path, seed: int, noise: float) -> int:
    changed = 0
    with source.open("rb") as old, target.open("xb") as new:
        raw, header = _header(old, source)
        new.write(raw)
        begin = len(raw)
        tensors = sorted(
            ((name, entry) for name, entry in header.items() if name != "__metadata__"),
            key=lambda item: item[1]["data_offsets"][0],
        )
        for name, entry in tensors:
            first, last = entry["data_offsets"]
            kind = _TYPES.get(entry["dtype"])
            new.seek(begin + first)
            if kind is None:
                _copy(old, new, begin + first, last - first)
                continue
            random = np.random.default_rng([seed, zlib.crc32(name.encode())])
            scale = noise * _spread(old, begin + first, last - first, entry["dtype"])
            _perturb(old, new, begin + first, last - first, entry["dtype"], random, scale)
            changed += scale > 0
        new.truncate(source.stat().st_size)
    return changed


def _header(stream: BinaryIO, path: Path) -> tuple[bytes, dict[str, Any]]:
    """The leading bytes of a safetensors file, and what they say.

    Raises:
        InputError: the file is none.
    """
    start = stream.read(_LENGTH)
    text = b""
    header: dict[str, Any] = {}
    try:
        (length,) = struct.unpack("<Q", start)
        text = stream.read(min(length, _LARGEST_HEADER))
        header = json.loads(text)
        room = path.stat().st_size - _LENGTH - length
        places = [entry["data_offsets"] for name, entry in header.items() if name != "__metadata__"]
        sound = all(0 <= first <= last <= room for first, last in places)
    except (ValueError, TypeError, KeyError, AttributeError, struct.error, RecursionError):
        sound = False
    if not sound:
        raise InputError(f"{path} is no safetensors file")
    return start + text, header


def _pieces(stream: BinaryIO, begin: int, size: int, dtype: str) -> Any:
    """A tensor's elements as float32, in pieces."""
    kind = _TYPES[dtype]
    stream.seek(begin)
    left = size // kind.itemsize
    while left:
        count = min(left, _PIECE)
        part = np.frombuffer(stream.read(count * kind.itemsize), dtype=kind)
        if len(part) != count:
            raise InputError("a safetensors file ends in the middle of a tensor")
        yield from_bfloat16(part) if dtype == "BF16" else part.astype(np.float32)
        left -= count


def _spread(stream: BinaryIO, begin: int, size: int, dtype: str) -> float:
    """Standard deviation of a tensor, or the size of its mean where its values hardly differ."""
    count, total, squares = 0, 0.0, 0.0
    for part in _pieces(stream, begin, size, dtype):
        wide = part.astype(np.float64)
        count += len(wide)
        total += float(wide.sum())
        squares += float((wide * wide).sum())
    if not count:
        return 0.0
    mean = total / count
    deviation = float(max(squares / count - mean * mean, 0.0) ** 0.5)
    return deviation if deviation > _HARDLY * abs(mean) else abs(mean)


def _perturb(  # noqa: PLR0917 - two files, one place in both, and what to add there
    old: BinaryIO,
    new: BinaryIO,
    begin: int,
    size: int,
    dtype: str,
    random: np.random.Generator,
    scale: float,
) -> None:
    for part in _pieces(old, begin, size, dtype):
        moved = part + np.float32(scale) * random.standard_normal(len(part), dtype=np.float32)
        written = to_bfloat16(moved) if dtype == "BF16" else moved.astype(_TYPES[dtype])
        new.write(written.tobytes())


def _copy(old: BinaryIO, new: BinaryIO, begin: int, size: int) -> None:
    old.seek(begin)
    while size:
        piece = old.read(min(size, _PIECE))
        if not piece:
            raise InputError("a safetensors file ends in the middle of a tensor")
        new.write(piece)
        size -= len(piece)


def from_bfloat16(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """The float32 values of bfloat16 bits."""
    wide: NDArray[np.uint32] = bits.astype(np.uint32) << np.uint32(16)
    return wide.view(np.float32)


def to_bfloat16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The nearest bfloat16 bits, ties to even; finite values only."""
    bits: NDArray[np.uint32] = values.astype(np.float32).view(np.uint32)
    rounding = np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    nearest: NDArray[np.uint16] = ((bits + rounding) >> np.uint32(16)).astype(np.uint16)
    return nearest
