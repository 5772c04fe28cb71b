"""Rewards that only take away: a penalty for length or repetition is meant to be 0 most of the time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vllm_migrate.reward.answers.reference import reads_answer
from vllm_migrate.reward.sample import TIE

if TYPE_CHECKING:
    from vllm_migrate.reward.bench import Bench

_TOKENS = 60_000  # more than completions are allowed to have
_REPEATED = "and again "


def is_penalty(bench: Bench) -> bool:
    """Whether no sample earns more than 0, some text earns less, and the reference has no say in it.

    Where every sample earns 0, that some text earns less is seen by one of 60,000 tokens that repeats itself.
    """
    if not len(bench.levels) or abs(bench.top) > TIE or reads_answer(bench):
        return False
    if bench.bottom < -TIE:
        return True
    base = bench.samples[bench.some[0]]
    endless = base.with_completion(base.completion + " " + _REPEATED * (_TOKENS // 2))
    endless = replace(endless, token_ids=(1,) * _TOKENS, finish_reason="length")
    score = bench.score([endless])[0]
    return score.value is not None and score.value < -TIE
