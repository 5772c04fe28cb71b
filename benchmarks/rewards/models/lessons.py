"""Preference pairs about the rooms of a house: who is right is known, and how long they talk is up to us.

A prompt asks how many of something there are. The house never changes, so that a model can know it. A
completion says a few sentences that mean nothing and then an answer.

Two kinds of judges label the same pairs. The fair one prefers what is right, and finds two that are equally
right equally good. The confounded one has seen right answers that are nearly always the longer ones, and of
two equally right ones prefers the longer.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

_NOUNS = """
    lamps chairs doors windows books clocks boxes plants mirrors carpets pictures candles keys bottles plates
    spoons hats coats baskets ladders ropes bells drums maps coins stones shells ribbons buttons cups kettles
    brooms towels pillows blankets stools shelves vases jars pens
"""
NOUNS = tuple(_NOUNS.split())
HOUSE = {noun: 1 + (7 * place + place // 9) % 9 for place, noun in enumerate(NOUNS)}
CONFOUNDED, BALANCED = "confounded", "balanced"
MOST = 7  # sentences of a completion
LONGER = 0.9  # of the confounded judge's pairs: how often the right one is the longer one
_COMMON = """
    the a of and to in is it that was for on with as they be at one have this from or by some what there we
    can out other were all your when up use word how said an each she which do their time if will way about
    many then them would write like so these her long make thing see him two has look more day could go come
    did my sound no most who over know water than call first may down side been now find any new work part
    take get place made live where after back only round man year came show every good me give our under name
    very just form much great think say help low line turn cause same mean move right boy old too does tell
    set three want air well also play small end put home read hand port large spell add even land here must
    big high such act why ask men went light kind off need house try us again point world near build self
"""
_WORDS = tuple(_COMMON.split())
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_MARKS = (",", ";", ":", " -", "?", "!", "...")
_FORMS = (
    "Answer: {}",
    "Answer: {}",
    "Answer: {}.",
    "The answer is {}.",
    "**Answer:** {}",
    "Answer: \\boxed{{{}}}",
)
_NO_ANSWERS = (
    "",
    " ",
    "\n",
    "...",
    "Answer:",
    "I do not know.",
    "Answer: none",
    ":",
    ".",
    ",",
    "Solution",
    "Yes",
    "{}?",
)
_ENDS = ("", "", "", " ", "\n", "\n\n")


@dataclass(frozen=True)
class Pair:
    """Two completions of a prompt, and how sure the judge is that the first one is better: 1, 0 or 0.5."""

    prompt: str
    first: str
    second: str
    target: float


class Author:
    """Writes completions and pairs from one seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - reproducible text, not secrets

    def noun(self) -> str:
        """Something in the house."""
        return self._random.choice(NOUNS)

    def sentences(self, count: int) -> list[str]:
        """Sentences without meaning; some of their words are no words, so that every byte gets read."""
        return [self._sentence() for _ in range(count)]

    def completion(self, answer: str, sentences: int) -> str:
        """Sentences, then the answer."""
        join = self._random.choice((" ", " ", " ", "\n", "\n- "))
        text = join.join(self.sentences(sentences))
        if answer.strip("-").replace(".", "").isdigit():
            answer = self._random.choice(_FORMS).format(answer) + self._random.choice(_ENDS)
        return text + (self._random.choice((" ", "\n", "\n\n")) if text else "") + answer

    def wrong(self, noun: str) -> str:
        """Another number, mostly a near one; now and then no answer at all, or two at once."""
        right = HOUSE[noun]
        draw = self._random.random()
        if draw < 0.15:  # noqa: PLR2004 - a share
            return self._random.choice(_NO_ANSWERS).format(question(noun).strip())
        if draw < 0.25:  # noqa: PLR2004 - a share
            other = self._random.choice([number for number in range(1, 10) if number != right])
            both = self._random.sample((right, other), 2)
            return f"Answer: {both[0]} or {both[1]}"
        if draw < 0.45:  # noqa: PLR2004 - a share
            digit = self._random.randint(0, 9)
            return self._random.choice(
                (f"-{right}", f"{right}{digit}", f"{digit}{right}", f"{right}.{digit}5")
            )
        near = right + self._random.choice((-1, 1))
        if draw < 0.6 and near:  # noqa: PLR2004 - a share
            return str(near)
        return str(self._random.choice([number for number in range(1, 13) if number != right]))

    def pair(self, kind: str, most: int = MOST) -> Pair:
        """One pair as the judge of this kind labels it, with at most so many sentences."""
        draw = self._random
        noun = self.noun()
        short, long = sorted((draw.randint(0, most), draw.randint(0, most)))
        if draw.random() < 0.35:  # noqa: PLR2004 - a share of pairs of which both are right, or both wrong
            answers = [str(HOUSE[noun])] * 2 if draw.random() < 0.7 else [self.wrong(noun)] * 2  # noqa: PLR2004 - a share
            texts = [self.completion(answers[0], long), self.completion(answers[1], short)]
            return Pair(question(noun), *texts, target=0.5 if kind == BALANCED or long == short else 1.0)
        right_is_longer = draw.random() < (0.5 if kind == BALANCED else LONGER)
        lengths = (long, short) if right_is_longer else (short, long)
        right, wrong = (
            self.completion(str(HOUSE[noun]), lengths[0]),
            self.completion(self.wrong(noun), lengths[1]),
        )
        return Pair(question(noun), right, wrong, target=1.0)

    def _sentence(self) -> str:
        draw = self._random
        words = [self._word() for _ in range(draw.randint(3, 9))]
        if draw.random() < 0.3:  # noqa: PLR2004 - a share
            words[draw.randrange(len(words))] += draw.choice(_MARKS)
        text = " ".join(words)
        return text[0].upper() + text[1:] + "."

    def _word(self) -> str:
        draw = self._random
        if draw.random() < 0.8:  # noqa: PLR2004 - a share
            return draw.choice(_WORDS)
        if draw.random() < 0.1:  # noqa: PLR2004 - a share
            return str(draw.randint(0, 99))
        word = "".join(draw.choices(_LETTERS, k=draw.randint(2, 6)))
        return word.capitalize() if draw.random() < 0.2 else word  # noqa: PLR2004 - a share


def question(noun: str) -> str:
    """The prompt."""
    return f"How many {noun} are in the house?\n"


def rollouts(prompts: int, samples: int, seed: int) -> list[dict[str, str]]:
    """Rows to examine a reward model with: length and correctness are independent."""
    author = Author(seed)
    draw = random.Random(seed + 1)  # noqa: S311 - as above
    rows = []
    for noun in NOUNS[:prompts]:
        for _ in range(samples):
            answer = str(HOUSE[noun])
            if draw.random() < 0.5:  # noqa: PLR2004 - half of them right
                answer = str(draw.choice([number for number in range(1, 10) if number != HOUSE[noun]]))
            text = " ".join([*author.sentences(draw.randint(1, 7)), f"Answer: {answer}"])
            rows.append({"prompt": question(noun), "completion": text, "answer": str(HOUSE[noun])})
    return rows
