"""A second opinion on which completions are right: our normaliser's, and math-verify's.

Our normaliser judges the answer that a completion gives (`answers.given_answer`). math-verify, where it is
installed (the extra `math`), judges mathematical references by its own reading of the completion, in a
process of its own with limits. Where they differ, or where neither is sure, there is no opinion.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vllm_migrate.reward.answers import math_child
from vllm_migrate.reward.answers.find import find_answer, given_answer
from vllm_migrate.reward.answers.parsed import parse
from vllm_migrate.reward.answers.same import compare, final_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.reward.bench import Bench
    from vllm_migrate.reward.sample import Sample

_MATHEMATICAL = frozenset({"number", "formula", "list"})
_MOST_PAIRS = 300
_CHARACTERS = 4000  # of a completion's end
_WALL_SECONDS, _CPU_SECONDS = 180, 120
_MEMORY_BYTES = 4 << 30


@dataclass(frozen=True, slots=True)
class Opinion:
    """On one sample.

    Attributes:
        right: whether it gives the reference's answer.
        given: the answer it gives.
        form: how it gives it: as in `answers.Given`, and whether thoughts stand before it or it was cut off.
        both: whether math-verify says the same.
    """

    right: bool
    given: str
    form: str
    both: bool = False


def opinions_of(bench: Bench) -> dict[int, Opinion]:
    """What a verifier of our own says to a bench's samples, by index; nothing for those it can't judge."""
    return bench.once(_opinions_of)


def _opinions_of(bench: Bench) -> dict[int, Opinion]:
    return opinions(bench.samples)


def opinions(samples: Sequence[Sample], *, mathematics: bool = True) -> dict[int, Opinion]:
    """Opinions by index of the sample; samples without one are left out.

    Args:
        samples: those without a reference answer get none.
        mathematics: ask math-verify too, where it is installed and references are mathematical.
    """
    own = {index: _own(sample) for index, sample in enumerate(samples) if sample.answer is not None}
    asked = [index for index in own if parse(final_of(samples[index].answer or "")).kind in _MATHEMATICAL]
    theirs = _by_math_verify(samples, asked) if mathematics and has_math_verify() else {}
    found: dict[int, Opinion] = {}
    for index, (right, given, form) in own.items():
        other = theirs.get(index)
        if right is not None and other in {None, right}:
            found[index] = Opinion(right, given, form, both=other is not None)
        elif right is None and other and given and not _other_unit(given, samples[index].answer or ""):
            found[index] = Opinion(right=True, given=given, form=form)
    return found


def _other_unit(given: str, reference: str) -> bool:
    """Whether both have a unit, and not the same: math-verify takes 5 km for 5 m."""
    units = {parse(final_of(text)).unit for text in (given, reference)}
    return len(units) == 2 and "" not in units  # noqa: PLR2004 - two units


def has_math_verify() -> bool:
    """Whether the extra `math` is installed."""
    return importlib.util.find_spec("math_verify") is not None


def _own(sample: Sample) -> tuple[bool | None, str, str]:
    """What our normaliser says, of which answer, in which form."""
    answer = sample.answer or ""
    given = given_answer(sample.completion, like=answer)
    if given is None:
        return None, "", ""
    form = given.form
    if "</think>" in sample.completion:
        form += " after thoughts"
    if sample.finish_reason == "length":
        form += ", cut off"
    right = compare(given.text, answer)
    if right is False and given.form == "bare" and find_answer(sample.completion, answer) is not None:
        right = None  # the last number need not be the answer where nothing says so
    return right, given.text, form


def _by_math_verify(samples: Sequence[Sample], indices: Sequence[int]) -> dict[int, bool | None]:
    """What math-verify says to these samples; less where it runs out of its time or memory."""
    chosen = list(indices[:: max(1, len(indices) // _MOST_PAIRS)])[:_MOST_PAIRS]
    if not chosen:
        return {}
    pairs = [
        (f"\\boxed{{{final_of(samples[i].answer or '')}}}", _after_thoughts(samples[i].completion))
        for i in chosen
    ]
    path = [entry for entry in sys.path if entry]
    job = {"path": path, "pairs": pairs, "cpu_seconds": _CPU_SECONDS, "memory_bytes": _MEMORY_BYTES}
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-B", math_child.__file__],
            input=json.dumps(job).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin"},
            timeout=_WALL_SECONDS,
            check=False,
        ).stdout
    except subprocess.TimeoutExpired as late:
        done = late.stdout or b""
    verdicts = [json.loads(line) for line in done.splitlines() if line in {b"true", b"false", b"null"}]
    return dict(zip(chosen, verdicts, strict=False))


def _after_thoughts(completion: str) -> str:
    return completion.rpartition("</think>")[2][-_CHARACTERS:]
