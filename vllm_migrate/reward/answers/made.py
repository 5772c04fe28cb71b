"""Completions made from reference answers, right and wrong, for users who have no rollouts yet.

Rewards read answers in different places. Which place this one reads is found by asking it: of the forms
below, the one that tells right from wrong most. What such samples can't show is what a policy would write, so
probes about a policy's behaviour don't apply to them.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vllm_migrate.reward.answers.parsed import parse
from vllm_migrate.reward.answers.same import compare, final_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.reward.sample import Sample, Score
    from vllm_migrate.reward.scorer import Scorer

PER_PROMPT = 4
_TRIED = 12
_STEPS = (
    "Let me look at what is asked.",
    "First I write down what is known.",
    "Then I put the parts together.",
    "I go through the steps one by one.",
    "Next I combine what I have found so far.",
    "I check the result against the question.",
    "Nothing else is needed for it.",
    "This follows from what was given.",
)


@dataclass(frozen=True, slots=True)
class Form:
    """A way to give an answer.

    Attributes:
        name: for reports.
        template: with `{work}` for the steps and `{answer}` for the answer.
    """

    name: str
    template: str

    def write(self, work: str, answer: str) -> str:
        """The completion."""
        return self.template.replace("{work}", work).replace("{answer}", answer)


FORMS = (
    Form("boxed", "{work} The answer is \\boxed{{answer}}."),
    Form("answer line", "{work}\nAnswer: {answer}"),
    Form("hashes", "{work}\n#### {answer}"),
    Form("answer tags", "{work}\n<answer>{answer}</answer>"),
    Form("thoughts and answer tags", "<think>\n{work}\n</think>\n<answer>\n{answer}\n</answer>"),
    Form("thoughts and a box", "<think>\n{work}\n</think>\n\nThe answer is \\boxed{{answer}}."),
    Form("thoughts and bare", "<think>\n{work}\n</think>\n{answer}"),
    Form("sentence", "{work} The answer is {answer}."),
    Form("final answer", "{work}\n\nFinal Answer: The final answer is ${answer}$. I hope it is correct."),
    Form("dollars", "{work}\n\n${answer}$"),
    Form("bare", "{answer}"),
)


def made_samples(
    prompts: Sequence[Sample], scorer: Scorer, *, per_prompt: int = PER_PROMPT, seed: int = 0
) -> tuple[Sample, ...]:
    """Right and wrong completions of every prompt, in the form that the reward accepts.

    How long the steps before an answer are has nothing to do with whether it is right.

    Args:
        prompts: one sample a prompt, its completion empty, with its reference answer; those without are left
            out.
        scorer: the reward.
        per_prompt: completions a prompt, about half of them right.
        seed: of what is drawn.

    Raises:
        RewardError: the reward can't be asked at all.
    """
    known = [prompt for prompt in prompts if prompt.answer is not None and final_of(prompt.answer)]
    form = accepted_form(scorer, known, seed=seed)
    return tuple(sample for sample, _ in _written(known, form, per_prompt=per_prompt, seed=seed))


def accepted_form(scorer: Scorer, prompts: Sequence[Sample], *, seed: int = 0) -> Form:
    """The form in which right answers earn most above wrong ones; where none does, the one that earns most.

    Args:
        scorer: the reward.
        prompts: as in `made_samples`, with answers.
        seed: of what is drawn.

    Raises:
        RewardError: the reward can't be asked at all.
    """
    tried = list(prompts)
    random.Random(f"{seed}:form").shuffle(tried)  # noqa: S311 - nothing secret is drawn
    written = [_written(tried[:_TRIED], form, per_prompt=2, seed=seed) for form in FORMS]
    samples = [sample for pairs in written for sample, _ in pairs]
    scores = iter(scorer.score(samples) if samples else [])
    best, most = FORMS[0], (0.0, 0.0)
    for form, pairs in zip(FORMS, written, strict=True):
        worth = _worth([(next(scores), right) for _, right in pairs])
        if worth > most:
            best, most = form, worth
    return best


def _worth(scored: Sequence[tuple[Score, bool]]) -> tuple[float, float]:
    """How much more right ones earn than wrong ones, and what right ones earn."""

    def mean(wanted: bool) -> float:
        values = [score.value for score, right in scored if right is wanted and score.value is not None]
        return sum(values) / len(values) if values else 0.0

    return round(mean(True) - mean(False), 9), mean(True)  # noqa: FBT003 - as above


def _written(
    prompts: Sequence[Sample], form: Form, *, per_prompt: int, seed: int
) -> list[tuple[Sample, bool]]:
    """Completions in one form and whether each is right: every second one is not."""
    answers = [final_of(prompt.answer or "") for prompt in prompts]
    found = []
    for place, prompt in enumerate(prompts):
        draw = random.Random(f"{seed}:{place}")  # noqa: S311 - nothing secret is drawn
        for turn in range(per_prompt):
            right = turn % 2 == 0
            answer = answers[place] if right else wrong_answer(answers[place], turn // 2, others=answers)
            if answer is not None:
                work = " ".join(draw.sample(_STEPS, draw.randint(1, len(_STEPS))))
                found.append((prompt.with_completion(form.write(work, answer)), right))
    return found


def wrong_answer(answer: str, turn: int = 0, *, others: Sequence[str] = ()) -> str | None:
    """An answer of the same shape that surely says something else; None where none can be made.

    Args:
        answer: the right one.
        turn: which of several; the same one gives the same answer.
        others: right answers of other prompts, for answers in words.
    """
    candidates = []
    if parse(answer).kind == "choice":
        letters = [letter for letter in "ABCD" if letter != parse(answer).text]
        old = parse(answer).text
        candidates = [re.sub(rf"\b{old}\b", letter, answer, flags=re.IGNORECASE) for letter in letters]
    digits = list(re.finditer(r"\d{1,300}", answer))
    if digits:
        last = digits[-1]
        for step in (1, 2, 10, 7):
            number = str(int(last[0]) + step).zfill(len(last[0]))
            candidates.append(answer[: last.start()] + number + answer[last.end() :])
    turned = {"yes": "no", "no": "yes", "true": "false", "false": "true"}.get(answer.strip().lower())
    if turned is not None:
        candidates.append(turned.capitalize() if answer.strip()[:1].isupper() else turned)
    if not candidates:
        candidates = [other for other in others if other.strip().casefold() != answer.strip().casefold()]
        return candidates[turn % len(candidates)] if candidates else None
    sure = [
        candidate
        for candidate in candidates
        if compare(candidate, answer) is not True and candidate != answer
    ]
    return sure[turn % len(sure)] if sure else None
