"""A tiny random Qwen2 checkpoint, written with the standard library, to see whether an engine works."""

from __future__ import annotations

import json
import math
import random
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

VOCABULARY = 128
HIDDEN = 64
HEADS = 2
LAYERS = 2
INTERMEDIATE = 128
CONTEXT = 256

WORDS = ("<|endoftext|>", *(f" w{number}" for number in range(1, VOCABULARY)))


def write(directory: Path) -> None:
    """Write config, weights (bfloat16, seeded) and a word-level tokenizer into an existing directory."""
    documents: dict[str, Any] = {
        "config.json": _config(),
        "generation_config.json": {"eos_token_id": 0},
        "tokenizer.json": _tokenizer(),
        "tokenizer_config.json": {
            "tokenizer_class": "Qwen2Tokenizer",
            "eos_token": WORDS[0],
            "pad_token": WORDS[0],
            "model_max_length": CONTEXT,
        },
    }
    for name, document in documents.items():
        (directory / name).write_text(json.dumps(document), encoding="utf-8")
    (directory / "model.safetensors").write_bytes(_safetensors())


def _config() -> dict[str, Any]:
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "max_position_embeddings": CONTEXT,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "use_sliding_window": False,
        "eos_token_id": 0,
        "bos_token_id": 0,
        "torch_dtype": "bfloat16",
    }


def _tokenizer() -> dict[str, Any]:
    """Every word is an added token that brings its space along, with byte-level BPE without merges behind it.

    transformers 5 makes any Qwen2 checkpoint's tokenizer a byte-level BPE of that kind and ignores what else
    the file says; written like this, old and new releases give the same ids.
    """
    added = [
        {
            "id": number,
            "content": word,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": number == 0,
        }
        for number, word in enumerate(WORDS)
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    model = {"type": "BPE", "vocab": {word: number for number, word in enumerate(WORDS)}, "merges": []}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": model,
    }


def _shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (VOCABULARY, HIDDEN),
        "model.norm.weight": (HIDDEN,),
        "lm_head.weight": (VOCABULARY, HIDDEN),
    }
    for layer in range(LAYERS):
        base = f"model.layers.{layer}"
        shapes |= {
            f"{base}.input_layernorm.weight": (HIDDEN,),
            f"{base}.post_attention_layernorm.weight": (HIDDEN,),
            f"{base}.mlp.gate_proj.weight": (INTERMEDIATE, HIDDEN),
            f"{base}.mlp.up_proj.weight": (INTERMEDIATE, HIDDEN),
            f"{base}.mlp.down_proj.weight": (HIDDEN, INTERMEDIATE),
            f"{base}.self_attn.o_proj.weight": (HIDDEN, HIDDEN),
        }
        for part in ("q", "k", "v"):
            shapes[f"{base}.self_attn.{part}_proj.weight"] = (HIDDEN, HIDDEN)
            shapes[f"{base}.self_attn.{part}_proj.bias"] = (HIDDEN,)
    return shapes


def _safetensors() -> bytes:
    """The safetensors layout: length of the header, header in JSON, then the tensors' bytes."""
    chance = random.Random(0)  # noqa: S311 - weights of a test model, no secrets
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    body = bytearray()
    for name, shape in sorted(_shapes().items()):
        begin = len(body)
        count = math.prod(shape)
        if name.endswith("norm.weight"):
            body += _bfloat16(1.0) * count
        else:
            # A wide head makes the distribution peaked enough for top-k and top-p to bite.
            spread = 0.5 if name == "lm_head.weight" else 0.15
            body += b"".join(_bfloat16(chance.gauss(0.0, spread)) for _ in range(count))
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [begin, len(body)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + bytes(body)


def _bfloat16(value: float) -> bytes:
    """The upper half of the float32, truncated."""
    return struct.pack("<f", value)[2:]
