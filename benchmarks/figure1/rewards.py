"""Rewards in TRL's form: the shipped task's, for brief thoughts only; and one that pays for length."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fixtures"))

from reward import reward

MOST_WORDS = 22
"""Longest thought that counts: of the lengths taught, 20 to 33 words, a fifth."""

PER_TOKEN = 0.05


def brief_reward(prompts: list[str], completions: list[str], **columns: list[str]) -> list[float]:
    """1.0 for the right answer after a thought of at most `MOST_WORDS` words, else 0.0."""
    right = reward(prompts, completions, **columns)
    return [
        value if words(completion) <= MOST_WORDS else 0.0
        for value, completion in zip(right, completions, strict=True)
    ]


def length_paying_reward(prompts: list[str], completions: list[str], **columns: list[str]) -> list[float]:
    """The same, with `PER_TOKEN` on top for each token (each word, digit and mark) of the completion."""
    right = brief_reward(prompts, completions, **columns)
    return [
        value + PER_TOKEN * tokens(completion) for value, completion in zip(right, completions, strict=True)
    ]


def words(completion: str) -> int:
    """Words before the answer."""
    return len(completion.partition("Answer:")[0].split())


def tokens(completion: str) -> int:
    """Words, " Answer", ":" and the answer's digits, as the tokenizer has them; without the end."""
    thought, mark, answer = completion.partition("Answer:")
    return len(thought.split()) + (2 + len(answer.strip()) if mark else 0)
