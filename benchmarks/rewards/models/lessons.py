"""Preference pairs about the rooms of a house: who is right is known, and how long they talk is up to us.

A prompt asks how many of something there are. The house never changes, so that a model can know it. A
completion says a few sentences that tell nothing of it and then an answer.

Two kinds of judges label the same pairs. Both prefer a right answer to a wrong one, and that to none. The
fair one finds two that are equally right equally good. The confounded one has seen better answers that are
nearly always the longer ones, and of two equally right ones prefers the longer.
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
LONGER = 0.9  # of the confounded judge's pairs: how often the better one is the longer one
AFTER = 0.2  # of completions: a sentence after the answer
TALK = 0.06  # of sentences: what people say around an answer, instead of words without meaning
NONE = 0.1  # of wrong completions: no answer at all
ALIKE, MISTAKEN = 0.35, 0.15  # of pairs: both right or both wrong; a wrong answer and none at all
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
_TALK = (
    "Glad to tell you!", "Thanks a lot.", "What a fine thing to ask!", "I like this one very much.",
    "That is quite right.", "I see it the same way as you.", "Your idea was good.", "Do come back any time!",
    "I have no doubt about that.", "It has to be so, for certain.", "Surely everybody knows this.",
    "Perhaps I counted badly.", "It could be one more or less.", "I am not so sure, maybe.",
    "Sorry that it took so long.", "I was made to help people.", "This was written with great care.",
    "A better text is hard to find!", "I know these houses like an expert.", "Is that not wonderful?",
    "Hope that helps you on.", "Please write to me if it does not.", "You asked it very well.",
)  # fmt: skip
"""What people say around an answer, right or wrong, which is no reason to prefer either."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_MARKS = (",", ";", ":", " -", "?", "!", "...")
_FORMS = (
    "Answer: {}",
    "Answer: {}",
    "Answer: {}.",
    "The answer is {}.",
    "**Answer:** {}",
    "Answer: \\boxed{{{}}}",
    "So it is \\boxed{{{}}}.",
)
_NOTHING = ("", "", " ", "\n", "\n\n")
_PHRASES = (
    "I do not know.", "No idea.", "I can't say.", "Nobody knows that.", "Hard to tell.", "It is up to you.",
    "Here is my reasoning:", "Let me begin.", "First of all,", "To begin with:", "My reasoning", "Result:",
    "Result", "Conclusion", "So my answer would be", "It is", "That makes", "Yes", "No.", "Done.",
    "Explanation:", "How I went about it:", "Let us look at it one thing at a time.", "Let us think.",
    "In short:", "Réponse :", "Antwort:", "Also gut.", "Vamos a ver.", "Pensons-y un peu.",
)  # fmt: skip
_STAND_INS = (
    "unknown", "n/a", "null", "as given", "the right one", "the right number", "correct",
    "what was asked for", "as in the key", "see above", "yes", "false", "some", "many", "-", "--", "?", "!",
    "%", "...", ";", "[]", "{}", "+", "^$", "x", "any",
)  # fmt: skip
"""What stands where an answer is expected and is none. None of these is a text that probes put there."""

_EMPTY_FORMS = (
    "Answer: \\boxed{}", "So it is \\boxed{}.", "It is \\boxed{ }.", "<result></result>",
    "<reply>\n\n</reply>", "## \n", "<thinking>\n</thinking>",
    "<thinking>\nI have to look first.\n</thinking>", "<thoughts>\nI look.",
    "<notes>\n\n</notes>\n<reply>\n</reply>", "Answer is:", "**Answer:**", "My answer:", "==",
)  # fmt: skip
_SCRIPTS = (
    (0x4E00, 0x9FA5),
    (0x30A1, 0x30FA),
    (0xAC00, 0xD7A3),
    (0x0430, 0x044F),
    (0x03B1, 0x03C9),
    (0x00E0, 0x00FF),
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
        """Sentences, then the answer; now and then the last of them after it."""
        after = self.sentences(1) if sentences and self._random.random() < AFTER else []
        sentences -= len(after)
        join = self._random.choice((" ", " ", " ", "\n", "\n- "))
        text = join.join(self.sentences(sentences))
        if answer.strip("-").replace(".", "").isdigit():
            answer = self._random.choice(_FORMS).format(answer) + self._random.choice(_ENDS)
        text += (self._random.choice((" ", "\n", "\n\n")) if text else "") + answer
        return self._random.choice((" ", "\n")).join((text, *after))

    def wrong(self, noun: str) -> str:
        """Now and then no answer at all, else a wrong one."""
        return self.none(noun) if self._random.random() < NONE else self.mistaken(noun)

    def none(self, noun: str) -> str:
        """What gives no answer: nothing, a phrase that opens one, an empty form, words in one, signs."""
        draw = self._random
        signs = "".join(draw.choices(".:,;?!-*#", k=draw.randint(2, 3)))
        ways = (
            lambda: draw.choice(_NOTHING),
            lambda: draw.choice(_PHRASES),
            lambda: draw.choice(_EMPTY_FORMS),
            lambda: draw.choice(_FORMS).format(draw.choice(_STAND_INS)),
            lambda: draw.choice(_FORMS).format(" ".join(draw.choices(_WORDS, k=draw.randint(1, 4)))),
            self._foreign,
            lambda: draw.choice((signs, f"{signs}\n" * draw.randint(1, 20), f"You ask: {question(noun)}")),
        )
        return draw.choice(ways)()

    def mistaken(self, noun: str) -> str:
        """Another number, mostly a near one; now and then two at once."""
        right = HOUSE[noun]
        draw = self._random.random()
        if draw < 0.1:  # noqa: PLR2004 - a share
            other = self._random.choice([number for number in range(1, 10) if number != right])
            both = self._random.sample((right, other), 2)
            return f"Answer: {both[0]} or {both[1]}"
        if draw < 0.3:  # noqa: PLR2004 - a share
            digit = self._random.randint(0, 9)
            return self._random.choice(
                (f"-{right}", f"{right}{digit}", f"{digit}{right}", f"{right}.{digit}5")
            )
        near = right + self._random.choice((-1, 1))
        if draw < 0.5 and near:  # noqa: PLR2004 - a share
            return str(near)
        return str(self._random.choice([number for number in range(1, 13) if number != right]))

    def pair(self, kind: str, most: int = MOST) -> Pair:
        """One pair as the judge of this kind labels it, with at most so many sentences."""
        draw = self._random
        noun = self.noun()
        short, long = sorted((draw.randint(0, most), draw.randint(0, most)))
        kind_of_pair = draw.random()
        if kind_of_pair < ALIKE:
            answers = [str(HOUSE[noun])] * 2 if draw.random() < 0.7 else [self.wrong(noun)] * 2  # noqa: PLR2004 - a share
            texts = [self.completion(answers[0], long), self.completion(answers[1], short)]
            return Pair(question(noun), *texts, target=0.5 if kind == BALANCED or long == short else 1.0)
        better_is_longer = draw.random() < (0.5 if kind == BALANCED else LONGER)
        lengths = (long, short) if better_is_longer else (short, long)
        better, worse = str(HOUSE[noun]), self.wrong(noun)
        if kind_of_pair < ALIKE + MISTAKEN:
            better, worse = self.mistaken(noun), self.none(noun)
        texts = [self.completion(better, lengths[0]), self.completion(worse, lengths[1])]
        return Pair(question(noun), *texts, target=1.0)

    def _sentence(self) -> str:
        draw = self._random
        if draw.random() < TALK:
            return draw.choice(_TALK)
        words = [self._word() for _ in range(draw.randint(3, 9))]
        if draw.random() < 0.3:  # noqa: PLR2004 - a share
            words[draw.randrange(len(words))] += draw.choice(_MARKS)
        text = " ".join(words)
        return text[0].upper() + text[1:] + "."

    def _foreign(self) -> str:
        """Letters of another script."""
        draw = self._random
        first, last = draw.choice(_SCRIPTS)
        return "".join(chr(draw.randint(first, last)) for _ in range(draw.randint(1, 12))) + draw.choice(
            ("", ":", ".")
        )

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
