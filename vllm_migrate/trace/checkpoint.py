"""Which model a trace was made with: a digest of the checkpoint, and its tokens as text for reports."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vllm_migrate.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

_WEIGHTS = ("*.safetensors", "*.bin", "*.pt", "*.pth", "*.gguf")
_PATTERNS = (*_WEIGHTS, "*.json", "*.model", "*.jinja", "merges.txt", "vocab.txt")
_TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "*.model",
)
# What a trainer leaves beside the model and what no engine reads.
_TRAINERS_OWN = (
    "training_args.bin",
    "optimizer.*",
    "scheduler.pt",
    "scaler.pt",
    "rng_state*",
    "trainer_state.json",
)
_TEMPLATE_FILES = ("chat_template.jinja", "chat_template.json")
_CHUNK = 1 << 22


@dataclass(frozen=True, slots=True)
class CheckpointHashes:
    """SHA-256 digests of a checkpoint, as hexadecimal text.

    Attributes:
        model: over all of it; the other three say what differs where this one does.
        weights: over the weight files.
        tokenizer: over the tokenizer's files, without the chat template.
        chat_template: over the chat template, "" where there is none.
    """

    model: str
    weights: str
    tokenizer: str
    chat_template: str


def hash_checkpoint(directory: Path) -> str:
    """SHA-256 over a checkpoint's weights, configuration and tokenizer files, names included.

    Raises:
        InputError: the directory is no checkpoint, or a file in it can't be read.
    """
    return hash_parts(directory).model


def hash_parts(directory: Path) -> CheckpointHashes:
    """The digests of a checkpoint; every file is read once.

    Raises:
        InputError: the directory is no checkpoint, or a file in it can't be read.
    """
    if not (directory / "config.json").is_file():
        raise InputError(
            f"no model at {directory}: config.json is missing",
            hint="give --model the directory of a local checkpoint",
        )
    found = {path for pattern in _PATTERNS for path in directory.glob(pattern) if path.is_file()}
    digests = {
        path.name: _digest(path)
        for path in sorted(found)
        if not any(path.match(pattern) for pattern in _TRAINERS_OWN)
    }
    weights = [name for name in digests if any((directory / name).match(p) for p in _WEIGHTS)]
    tokenizer = [name for name in digests if any((directory / name).match(p) for p in _TOKENIZER)]
    parts = dict(digests)
    template = read_chat_template(directory)
    if "tokenizer_config.json" in parts:
        parts["tokenizer_config.json"] = _without_template(directory / "tokenizer_config.json")
    return CheckpointHashes(
        model=_over(digests, list(digests)),
        weights=_over(digests, weights),
        tokenizer=_over(parts, tokenizer),
        chat_template=hashlib.sha256(template.encode()).hexdigest() if template else "",
    )


def read_chat_template(directory: Path) -> str:
    """The chat template as text, "" where the checkpoint has none.

    Several named templates come back as the JSON they are written in.
    """
    for name in _TEMPLATE_FILES:
        path = directory / name
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            return text if path.suffix == ".jinja" else _template_of(_object(text))
    path = directory / "tokenizer_config.json"
    return _template_of(_object(path.read_text(encoding="utf-8", errors="replace"))) if path.is_file() else ""


def _template_of(document: dict[str, object]) -> str:
    template = document.get("chat_template") or ""
    return template if isinstance(template, str) else json.dumps(template, sort_keys=True)


def _without_template(path: Path) -> str:
    text = path.read_text(encoding="utf-8", errors="replace")
    document = _object(text)
    kept = {key: value for key, value in document.items() if key != "chat_template"}
    written = json.dumps(kept, sort_keys=True) if document else text.strip()
    return hashlib.sha256(written.encode()).hexdigest()


def _object(text: str) -> dict[str, object]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _over(digests: dict[str, str], names: list[str]) -> str:
    total = hashlib.sha256()
    for name in names:
        total.update(f"{name}\0{digests[name]}\n".encode())
    return total.hexdigest()


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise InputError(f"can't read {path}: {error.strerror or error}") from None
    return digest.hexdigest()


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
