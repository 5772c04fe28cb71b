"""Does the reward keep its contract? One finite number a text, whatever it is and whatever stands beside it.

Procedure: every fault of the first scoring is counted. Texts of different prompts are scored alone and in
batches of eight: one value for a whole batch where alone they differ is a broadcast (TRL's pull request
6534). Then texts that every policy comes to write: empty, cut off in the middle or in the answer, in other
scripts, very long; and odd ones: half a box, 1/0 as an answer, 5,000 digits. A trainer stops where its reward
raises.

Figure: share of texts without a finite reward, over the samples and the texts made here. Any fault on the
samples or on a text that every policy writes fails, and so does hanging or ending the process on any text;
another fault on an odd text is a warning. None is an abstention, which TRL allows, and counts as no fault; a
trainer with this reward alone makes a 0 of it, which is said.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.reward.bench import Bench, Probe, limits_of
from vllm_migrate.reward.changes.cases import listed
from vllm_migrate.reward.figures import share
from vllm_migrate.reward.outcome import Check, Example, Outcome
from vllm_migrate.reward.sample import TIE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vllm_migrate.reward.sample import Sample, Score

NAME = "contract"
BATCH = 8
_BATCHED = 32
_TEXTS = 3  # samples that each family of texts is made of
_LONG = 60_000  # characters: some 15,000 tokens, as reasoning runs allow
_SLOW_SECONDS, _SLOW_TIMES = (
    3.0,
    20.0,
)  # a long text that takes longer, and so many times a short one: judgement
_LARGE = 1000.0  # judgement: nothing that trainers document rewards with comes near
_ABSTAINS = 0.1  # judgement
_SHOWN = 200
_MOST_EXAMPLES = 5

_UNASKED = "not scored"
_KINDS = (
    (_UNASKED, re.compile(r"^not scored")),
    ("wrong count", re.compile(r"returned \d+ rewards? for \d+")),
    ("not finite", re.compile(r"returned [-+]?(?:nan|inf)", re.IGNORECASE)),
    ("wrong type", re.compile(r"returned ")),
    ("hangs", re.compile(r"did not return")),
    ("out of memory", re.compile(r"memory", re.IGNORECASE)),
    ("processes", re.compile(r"processes")),
    ("raises", re.compile(r"raised (\w+)")),
    ("ends its process", re.compile(r"ended its process|exit status|signal|SIG[A-Z]+")),
    ("output", re.compile(r"output|printed|file size")),
)
_GRAVE = ("hangs", "out of memory", "processes", "ends its process")
"""Nobody's handler catches these: they end a training run on the first such text."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text that a policy may write.

    Attributes:
        family: for the table. `usual` whether every policy comes to write such a text.
        words: for the examples.
        make: the text, from a completion.
    """

    family: str
    words: str
    make: Callable[[str], str]
    usual: bool = True


def _cut(text: str) -> str:
    return text[: max(1, len(text) // 2)]


def _cut_late(text: str) -> str:
    """Cut where its answer is not finished: before what closes its box or tag."""
    end = max(text.rfind("}"), text.rfind("</"))
    return text[: max(1, end if end > 0 else len(text) - 1)]


def _long(text: str) -> str:
    filler = "Then I look at it once more, and write down what I see. "
    return filler * (_LONG // len(filler)) + text


_PLACES = "Answer: {0}\n#### {0}\n<answer>{0}</answer> \\boxed{{{0}}}"
"""An answer in all the places where rewards look for one."""

_FAMILIES = (
    Text("empty", "an empty completion", lambda _: ""),
    Text("empty", "white space only", lambda _: " \n\n"),
    Text("cut off", "cut off in the middle", _cut),
    Text("cut off", "cut off in the answer", _cut_late),
    Text(
        "other scripts", "with emoji, Chinese, Arabic and accents", lambda t: f"好的。 \U0001f600 نعم é {t} ✓"
    ),
    Text("very long", f"with {_LONG:,} characters in front", _long),
    Text("odd", "cut off in a box", lambda t: t + " \\boxed{", usual=False),
    Text("odd", "1/0 as its answer", lambda _: _PLACES.format("1/0"), usual=False),
    Text("odd", "no number as its answer", lambda _: _PLACES.format("."), usual=False),
    Text("odd", "a raised ² as its answer", lambda _: _PLACES.format("²"), usual=False),
    Text("odd", "5,000 digits as its answer", lambda _: _PLACES.format("9" * 5000), usual=False),
    Text("odd", "3,000 opening brackets", lambda _: "(" * 1500 + "<think>" * 300 + "{[" * 700, usual=False),
)


def kind_of(fault: str) -> str:
    """The kind of a fault in words: "wrong count", "raises KeyError"."""
    for kind, pattern in _KINDS:
        match = pattern.search(fault)
        if match is not None:
            return f"{kind} {match[1]}" if match.groups() else kind
    return "other"


def examine(bench: Bench) -> Check:
    """Faults by kind, on the samples and on texts made of them."""
    if not bench.samples:
        return Check(NAME, Outcome.NOT_JUDGED, "there is nothing to score")
    seen = [
        (Text("samples", "as it was sampled", str), sample, score)
        for sample, score in zip(bench.samples, bench.scores, strict=True)
    ]
    made, slow = _made(bench)
    alone, together = _batches(bench)
    seen += [(Text("alone", "scored alone", str), sample, score) for sample, score in alone]
    seen += [(Text("in batches", "scored in a batch of 8", str), sample, score) for sample, score in together]
    everything = [*seen, *made]
    faults = [one for one in everything if one[2].fault]
    faults.sort(key=lambda one: kind_of(one[2].fault) == _UNASKED)  # what was not asked about says least
    kinds = Counter(kind_of(score.fault) for _, _, score in faults)
    broadcast = _is_broadcast(alone, together)
    parts = {
        family: sum(bool(score.fault) for text, _, score in everything if text.family == family)
        / sum(text.family == family for text, _, _ in everything)
        for family in dict.fromkeys(text.family for text, _, _ in everything)
    }
    outcome, message, advice = _concluded(bench, faults, kinds, broadcast=broadcast, slow=slow)
    return Check(
        NAME,
        outcome,
        message,
        figure=share(len(faults), len(everything)),
        unit="share of texts without a finite reward",
        count=len(everything),
        limits=limits_of(bench, NAME),
        worst=_worst(faults),
        parts=parts,
        advice=advice,
    )


def _concluded(
    bench: Bench,
    faults: Sequence[tuple[Text, Sample, Score]],
    kinds: Counter[str],
    *,
    broadcast: bool,
    slow: str,
) -> tuple[Outcome, str, str]:
    if broadcast:
        message = (
            f"one value for the whole batch: texts that differ alone earn the same in batches of {BATCH}"
        )
        return Outcome.FAIL, message, "return one reward a completion, in their order"
    if faults and all(kind_of(score.fault) == _UNASKED for _, _, score in faults):
        return Outcome.NOT_JUDGED, faults[0][2].fault[:_SHOWN], ""
    if faults:
        said = ", ".join(f"{kind} ({count})" for kind, count in kinds.most_common(3))
        where = list(dict.fromkeys(text.words if text.family not in _PLAIN else "" for text, _, _ in faults))
        on = "" if "" in where else " on texts " + listed(where)
        message = f"{said}{on}: {faults[0][2].fault[:_SHOWN]}"
        grave = any(text.usual or kind_of(score.fault) in _GRAVE for text, _, score in faults)
        outcome = Outcome.FAIL if grave else Outcome.WARN
        return (
            outcome,
            message,
            "return a finite number for every text; what can't be judged earns the lowest reward",
        )
    if not len(bench.levels):
        return Outcome.FAIL, "returns None for every sample", "return numbers for at least some samples"
    silent = sum(score.value is None for score in bench.scores) / len(bench.scores)
    if silent > _ABSTAINS:
        message = (
            f"returns None for {silent:.1%} of the samples, which counts as 0 where no other reward speaks"
        )
        return Outcome.WARN, message, "let another reward judge those, or return a number"
    if max(abs(bench.top), abs(bench.bottom)) > _LARGE:
        message = f"rewards reach from {bench.bottom:g} to {bench.top:g}, and so do advantages as they are"
        return Outcome.WARN, message, "scale the reward to about 1"
    if slow:
        return Outcome.WARN, slow, "bound the length of what is matched, and look for patterns that backtrack"
    some = f", None for {silent:.1%}" if silent else ""
    return Outcome.PASS, f"one finite number a text, from {bench.bottom:g} to {bench.top:g}{some}", ""


_PLAIN = ("samples", "alone", "in batches")


def _made(bench: Bench) -> tuple[list[tuple[Text, Sample, Score]], str]:
    """Every family's texts with their scores, and a word on a long one that is slow."""
    base = _spread(bench, _TEXTS)
    pairs = [
        (text, sample.with_completion(text.make(sample.completion)))
        for text in _FAMILIES
        for sample in base
        if text.family != "very long"
    ]
    scored = [
        (text, sample, score)
        for (text, sample), score in zip(pairs, bench.score([sample for _, sample in pairs]), strict=True)
    ]
    usual, _ = _timed(bench, base[0])
    text = next(one for one in _FAMILIES if one.family == "very long")
    sample = base[0].with_completion(text.make(base[0].completion))
    seconds, score = _timed(bench, sample)
    slow = ""
    if not score.fault and seconds > _SLOW_SECONDS and seconds > _SLOW_TIMES * usual:
        short = len(base[0].completion)
        slow = f"a text of {_LONG:,} characters takes {seconds:.1f} s, one of {short} {usual:.2f} s"
    return [*scored, (text, sample, score)], slow


def _timed(bench: Bench, sample: Sample) -> tuple[float, Score]:
    begun = time.monotonic()
    score = bench.score([sample], batch=1)[0]
    return time.monotonic() - begun, score


def _batches(bench: Bench) -> tuple[list[tuple[Sample, Score]], list[tuple[Sample, Score]]]:
    """The same texts scored alone and in batches, those that earn different rewards beside each other."""
    chosen = _spread(bench, min(_BATCHED, bench.most))
    alone = bench.score(chosen, batch=1)
    order = sorted(range(len(chosen)), key=lambda place: alone[place].number)
    half = len(order) // 2
    mixed = [place for pair in zip(order[:half], reversed(order[half:]), strict=False) for place in pair]
    mixed += [place for place in order if place not in set(mixed)]
    samples = [chosen[place] for place in mixed]
    return [(chosen[p], alone[p]) for p in mixed], list(
        zip(samples, bench.score(samples, batch=BATCH), strict=True)
    )


def _is_broadcast(alone: Sequence[tuple[Sample, Score]], together: Sequence[tuple[Sample, Score]]) -> bool:
    """Whether no batch shows two rewards although texts that alone earn two are in most of them."""
    blocks = 0
    for start in range(0, len(alone), BATCH):
        before = np.array([score.number for _, score in alone[start : start + BATCH]])
        after = np.array([score.number for _, score in together[start : start + BATCH]])
        if not (np.isfinite(before).all() and np.isfinite(after).all()) or np.ptp(before) <= TIE:
            continue
        if np.ptp(after) > TIE:
            return False
        blocks += 1
    return blocks > 0


def _spread(bench: Bench, most: int) -> list[Sample]:
    """Samples of different prompts first, also those without a reward."""
    return [bench.samples[index] for index in bench.in_turn(range(len(bench.samples)))[:most]]


def _worst(faults: Sequence[tuple[Text, Sample, Score]]) -> tuple[Example, ...]:
    """One fault of every kind and text first."""
    first = {
        (kind_of(score.fault), text.words): (text, sample, score) for text, sample, score in reversed(faults)
    }
    chosen = sorted(first.values(), key=lambda one: (kind_of(one[2].fault) == _UNASKED, not one[0].usual))[
        :_MOST_EXAMPLES
    ]
    return tuple(
        Example(
            change=f"{text.words}: {score.fault[:_SHOWN]}",
            before=None,
            after=None,
            completion=_shortened(sample.completion),
            prompt=sample.prompt[-_SHOWN:],
        )
        for text, sample, score in chosen
    )


def _shortened(text: str) -> str:
    return text if len(text) <= 2 * _SHOWN else f"{text[:_SHOWN]} … {text[-_SHOWN:]}"


PROBE = Probe(NAME, "Does every text get one finite number?", examine, order=10)
