"""What a seed decides: the checkpoint's weights, the prompts, the seed of the sampling.

The checkpoint is the repository's small trained model with noise of 5% of each tensor's spread, a chat
template and the sampling defaults that model families ship in `generation_config.json`.
"""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vllm_migrate.audit.sync.changed_weights import write_changed
from vllm_migrate.prompts.files import PromptLine, read_prompts

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parents[2]
MODEL, PROMPTS = ROOT / "fixtures" / "model", ROOT / "fixtures" / "prompts.jsonl"
NOISE = 0.05
HOW_MANY = 12

TEMPLATE = (
    "{% for message in messages %}<|endoftext|>{{ message['role'] }}: {{ message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<|endoftext|>assistant:{% endif %}"
)
WRONG_TEMPLATES = (
    TEMPLATE.replace("{% if add_generation_prompt %}<|endoftext|>assistant:{% endif %}", ""),
    TEMPLATE.replace("message['role'] }}:", "message['role'] | upper }}:"),
    TEMPLATE.replace("message['content'] }}", "message['content'] }} "),
    "<|endoftext|>system: Think first." + TEMPLATE,
)
"""The turn of the assistant not opened; other names of roles; a space too many; a preamble."""

DEFAULTS: tuple[dict[str, Any], ...] = (
    {"temperature": 0.6, "top_p": 0.95, "top_k": 20},
    {"temperature": 0.6, "top_p": 0.9},
    {"repetition_penalty": 1.05, "temperature": 0.7, "top_p": 0.8, "top_k": 20},
    {"repetition_penalty": 1.1, "temperature": 0.7, "top_p": 0.8, "top_k": 20},
)
"""As shipped with Qwen3, Llama 3, and two sizes of Qwen2.5-Instruct."""


@dataclass(frozen=True, slots=True)
class Material:
    """One seed's.

    Attributes:
        model: the checkpoint. wrong_tokenizer: one whose chat template is another.
        prompts: as text; `chats` the same as conversations; `everything` all that there are, as text.
        defaults: of `generation_config.json`.
    """

    seed: int
    model: Path
    wrong_tokenizer: Path
    prompts: tuple[PromptLine, ...]
    chats: tuple[PromptLine, ...]
    everything: tuple[PromptLine, ...]
    defaults: dict[str, Any]


def write_base(folder: Path) -> Path:
    """The checkpoint without noise, with a chat template: what engines are started on."""
    base = folder / "base"
    shutil.copytree(MODEL, base)
    _set(base / "tokenizer_config.json", {"chat_template": TEMPLATE})
    for number, template in enumerate(WRONG_TEMPLATES):
        other = folder / f"tokenizer-{number}"
        other.mkdir()
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
            shutil.copyfile(base / name, other / name)
        _set(other / "tokenizer_config.json", {"chat_template": template})
    return base


def material(folder: Path, seed: int) -> Material:
    """Write what a seed needs below `folder`, in which `write_base` has written."""
    model = folder / f"seed-{seed}"
    model.mkdir()
    write_changed(folder / "base", model, seed=seed, noise=NOISE)
    defaults = DEFAULTS[seed % len(DEFAULTS)]
    _set(model / "generation_config.json", defaults)
    lines = list(read_prompts(PROMPTS))
    chosen = random.Random(seed).sample(lines, HOW_MANY)  # noqa: S311 - a sample, no secret
    return Material(
        seed,
        model,
        folder / f"tokenizer-{seed % len(WRONG_TEMPLATES)}",
        tuple(chosen),
        tuple(_as_chats(chosen)),
        tuple(lines),
        defaults,
    )


def _as_chats(lines: Iterable[PromptLine]) -> Iterable[PromptLine]:
    for line in lines:
        yield PromptLine("", (), line.columns, ({"role": "user", "content": line.text},))


def _set(path: Path, values: dict[str, Any]) -> None:
    """Add some keys to a JSON file."""
    document = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**document, **values}, indent=2) + "\n", encoding="utf-8")
