"""A cheap reward, as people write them for sums in words: the last number, or the one in a box, is compared.

Run as a script it calls that reward itself, without the sandbox: `reward_overhead.py` does.
"""

from __future__ import annotations

import random
import re
import sys
import time

BOXED = re.compile(r"\\boxed\{([^{}]*)\}")
MARKED = re.compile(r"(?:####|[Aa]nswer(?: is)?:?)\s*\$?(-?[\d,]*\.?\d+)")
NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
BATCH = 8


def reward(completions, answer, **columns):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN003, ANN201, ARG001 - as a user writes it
    """TRL's form: 1 where the given answer is the reference, 0.1 where there is one at all."""
    return [_one(text, truth) for text, truth in zip(completions, answer, strict=True)]


def _one(text: str, truth: str) -> float:
    given = BOXED.findall(text) or MARKED.findall(text) or NUMBER.findall(text)
    if not given:
        return 0.0
    try:
        return 1.0 if abs(float(given[-1].replace(",", "")) - float(truth)) < 1e-6 else 0.1  # noqa: PLR2004 - rounding
    except ValueError:
        return 0.0


def texts(count: int, most: int) -> tuple[list[str], list[str], list[str]]:
    """Prompts, completions of half to all of `most` steps, and answers; eight a prompt, always the same."""
    steps_of = (most // 2, most + 1)
    draw = random.Random(0)  # noqa: S311 - nothing secret is drawn
    prompts, completions, answers = [], [], []
    for number in range(count):
        if number % 8 == 0:
            left, right = draw.randrange(100, 9999), draw.randrange(100, 9999)
        steps = [
            f"Step {step}: {left // step} and {right // step} make {left // step + right // step}."
            f" I write that down, and look at the {draw.choice(('tens', 'ones', 'hundreds'))} once more."
            for step in range(1, draw.randrange(*steps_of))
        ]
        given = left + right + draw.choice((0, 0, 1, -10))
        form = draw.choice(("The answer is {0:,}.", "So it is \\boxed{{{0}}}.", "#### {0}", "{0}"))
        prompts.append(f"A shop has {left} red and {right} green apples. How many apples are there?")
        completions.append("\n".join([*steps, form.format(given)]))
        answers.append(str(left + right))
    return prompts, completions, answers


def called(prompts: list[str], completions: list[str], answers: list[str]) -> list[float]:
    """The reward of every text, eight a call, as a trainer does it."""
    found: list[float] = []
    for start in range(0, len(prompts), BATCH):
        stop = start + BATCH
        found += reward(
            prompts=prompts[start:stop], completions=completions[start:stop], answer=answers[start:stop]
        )
    return found


def main() -> None:
    """Say when this was ready, and how long the calls took: wall and processor time."""
    ready, start_cpu = time.monotonic(), time.process_time()
    material = texts(int(sys.argv[1]), int(sys.argv[2]))
    began, cpu = time.monotonic(), time.process_time()
    found = called(*material)
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    print(ready, start_cpu, seconds, cpu, sum(found))


if __name__ == "__main__":
    main()
