"""Which model a trace was made with: a digest of the checkpoint, and its tokens as text for reports."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from vllm_migrate.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

_PATTERNS = (
    "*.safetensors",
    "*.bin",
    "*.pt",
    "*.pth",
    "*.gguf",
    "*.json",
    "*.model",
    "*.jinja",
    "merges.txt",
    "vocab.txt",
)
_CHUNK = 1 << 22


def hash_checkpoint(directory: Path) -> str:
    """SHA-256 over a checkpoint's weights, configuration and tokenizer files, names included.

    Raises:
        InputError: the directory is no checkpoint, or a file in it can't be read.
    """
    if not (directory / "config.json").is_file():
        raise InputError(
            f"no model at {directory}: config.json is missing",
            hint="give --model the directory of a local checkpoint",
        )
    total = hashlib.sha256()
    files = sorted({path for pattern in _PATTERNS for path in directory.glob(pattern) if path.is_file()})
    for path in files:
        digest = hashlib.sha256()
        try:
            with path.open("rb") as stream:
                while chunk := stream.read(_CHUNK):
                    digest.update(chunk)
        except OSError as error:
            raise InputError(f"can't read {path}: {error.strerror or error}") from None
        total.update(f"{path.name}\0{digest.hexdigest()}\n".encode())
    return total.hexdigest()


def read_vocabulary(directory: Path) -> dict[int, str]:
    """Token texts by id as `tokenizer.json` writes them; empty where there is none to read.

    Only for showing single tokens in reports, so a checkpoint with another kind of tokenizer shows ids
    instead.
    """
    try:
        tokenizer = json.loads((directory / "tokenizer.json").read_text(encoding="utf-8"))
        vocabulary = tokenizer["model"]["vocab"]
        if isinstance(vocabulary, list):  # Unigram: [piece, score] by id
            found = {index: str(entry[0]) for index, entry in enumerate(vocabulary)}
        else:
            found = {int(index): str(token) for token, index in vocabulary.items()}
        found.update({int(token["id"]): str(token["content"]) for token in tokenizer.get("added_tokens", [])})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return {}
    return found


def show_token(vocabulary: dict[int, str], token: int) -> str:
    """A token as a reader would write it; `#id` where its text is unknown."""
    text = vocabulary.get(token)
    return (
        f"#{token}"
        if text is None
        else text.replace("\u0120", " ").replace("\u2581", " ").replace("\u010a", "\\n")
    )
