"""Rollouts for a task: what a policy might have written, with its style drawn apart from what is right.

python benchmarks/rewards/rollouts.py TASK > rollouts.jsonl
"""

from __future__ import annotations

import json
import random
import re
import sys
import zlib
from typing import TYPE_CHECKING, Any

from tasks import TASKS

if TYPE_CHECKING:
    from tasks import Item

PROMPTS = 28
SAMPLES = 8
_CUT = 0.05  # completions that ran into the length limit
_UNFRAMED = 0.12  # of those with tags: tags forgotten

_FILLERS = (
    "Let me go through this slowly.",
    "The question gives us all we need.",
    "It helps to write things down in order.",
    "I keep the units in mind.",
    "What do we know so far?",
    "This step is simple.",
    "I check that once more.",
    "Nothing else is asked.",
    "The rest follows from what was said.",
    "Now we can go on.",
    "I could also do it in my head.",
    "Perhaps there is a shorter way, but this one works.",
    "I am certain about this part.",
    "Good, that is a nice question to think about.",
    "The given values are read from the text.",
    "We don't need a calculator here.",
    "It's easy to slip, so I look again.",
    "There is nothing hidden in the wording.",
)


def rows(task: str, seed: int = 0, prompts: int = PROMPTS, samples: int = SAMPLES) -> list[dict[str, Any]]:
    """Rows of a rollouts file; completions of one prompt beside each other."""
    draw = random.Random(zlib.crc32(f"{task}:{seed}".encode()))  # noqa: S311 - nothing secret is drawn
    found: list[dict[str, Any]] = []
    seen: set[str] = set()
    while len(seen) < prompts:
        item = TASKS[task](draw)
        if item.prompt in seen:
            continue
        seen.add(item.prompt)
        ease = draw.betavariate(1.4, 1.2)
        for _ in range(samples):
            text = written(item, right=draw.random() < ease, draw=draw, tags=task == "think")
            finish = "stop"
            if draw.random() < _CUT:
                text, finish = text[: max(20, len(text) // 2)], "length"
            found.append(_row(task, item, text, finish))
    return found


def _row(task: str, item: Item, text: str, finish: str) -> dict[str, Any]:
    pieces = re.findall(r"\w{1,5}|\s+|[^\w\s]", text)
    row: dict[str, Any] = {"completion": text}
    if task == "chat":
        row["messages"] = [{"role": "user", "content": item.prompt}]
    else:
        row["prompt"] = item.prompt
    row["completion_ids"] = [zlib.crc32(piece.encode()) % 30_000 for piece in pieces]
    row["finish_reason"] = finish
    if item.answer is not None or task == "mixed":  # a table has every column in every row
        row["answer"] = item.answer
    return row | item.columns


def written(item: Item, *, right: bool, draw: random.Random, tags: bool) -> str:
    """One completion."""
    answer = item.written[0] if draw.random() < 0.6 else draw.choice(item.written)  # noqa: PLR2004
    if not right:
        answer = draw.choice(item.wrong)
    sentences = [sentence.replace("{}", answer) for sentence in item.working]
    if item.frame == "{}":  # an essay: a right one holds most of the facts
        sentences = [sentence for sentence in sentences if draw.random() < (0.85 if right else 0.4)]
    for _ in range(draw.choice((0, 1, 2, 2, 3, 4, 6, 9, 12))):
        sentences.insert(draw.randint(0, len(sentences)), draw.choice(_FILLERS))
    working = _laid_out(sentences, draw)
    framed = item.frame.format(answer)
    if not tags:
        return f"{working}\n{framed}"
    if draw.random() < _UNFRAMED:
        return f"{working}\n{answer}" if draw.random() < 0.5 else f"<think>\n{working}\n{framed}"  # noqa: PLR2004
    return f"<think>\n{working}\n</think>\n{framed}"


def _laid_out(sentences: list[str], draw: random.Random) -> str:
    layout = draw.choice(("plain", "plain", "plain", "plain", "lines", "bullets", "steps", "bold", "header"))
    if layout == "lines":
        return "\n".join(sentences)
    if layout == "bullets":
        return "\n".join(f"- {sentence}" for sentence in sentences)
    if layout == "steps":
        return "\n".join(f"{number}. {sentence}" for number, sentence in enumerate(sentences, 1))
    text = " ".join(sentences)
    if layout == "bold":
        first, _, rest = text.partition(" ")
        return f"**{first}** {rest}"
    return f"## Solution\n{text}" if layout == "header" else text


if __name__ == "__main__":
    for row in rows(sys.argv[1]):
        print(json.dumps(row))
