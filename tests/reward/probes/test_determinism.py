from __future__ import annotations

import random
from itertools import count
from typing import TYPE_CHECKING

from benches import Whole, bench, bench_of, exact

from vllm_migrate.reward.outcome import Outcome
from vllm_migrate.reward.probes.determinism import AGAIN, BESIDE, ORDER, PROBE, PROCESS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.reward.sample import Sample


def test_a_function_of_the_text_passes() -> None:
    check = PROBE(bench(exact))
    assert check.outcome is Outcome.PASS
    assert check.parts == {AGAIN: 0, ORDER: 0, PROCESS: 0, BESIDE: 0}


def test_noise_is_told_from_memory() -> None:
    noise = random.Random(0)  # noqa: S311 - nothing secret is drawn
    check = PROBE(bench(lambda sample: exact(sample) + 0.01 * noise.random()))
    assert check.outcome is Outcome.FAIL
    assert "at random" in check.message
    assert check.parts[AGAIN] == 1


def test_rare_noise_is_seen() -> None:
    noise = random.Random(0)  # noqa: S311 - nothing secret is drawn
    assert PROBE(bench(lambda s: exact(s) if noise.random() > 0.03 else 0.5)).outcome is Outcome.FAIL


def remembering():
    """A bonus for texts not seen before in this process."""
    seen: set[str] = set()

    def score(samples: Sequence[Sample]) -> list[float]:
        rewards = [exact(sample) + 0.5 * (sample.completion not in seen) for sample in samples]
        seen.update(sample.completion for sample in samples)
        return rewards

    return score


def test_what_remembers_texts_depends_on_what_was_scored_before() -> None:
    check = PROBE(bench_of(Whole(remembering)))
    assert check.outcome is Outcome.FAIL
    assert "scored before" in check.message
    assert check.parts[PROCESS] == 0


def test_what_counts_its_calls_depends_on_what_was_scored_before() -> None:
    def counting():
        calls = count()
        return lambda samples: [exact(sample) + 0.001 * next(calls) for sample in samples]

    check = PROBE(bench_of(Whole(counting)))
    assert check.outcome is Outcome.FAIL
    assert "scored before" in check.message
    assert check.parts[ORDER] == 1


def test_what_differs_by_process_is_told() -> None:
    processes = count()

    def salted():
        salt = next(processes)
        return lambda samples: [exact(sample) + 0.1 * ((len(sample.prompt) + salt) % 3) for sample in samples]

    check = PROBE(bench_of(Whole(salted)))
    assert check.outcome is Outcome.FAIL
    assert "another process" in check.message


def test_what_is_relative_to_its_batch_depends_on_it() -> None:
    def relative(samples: Sequence[Sample]) -> list[float]:
        longest = max(len(sample.completion) for sample in samples)
        return [
            len(sample.completion) / longest + sum(map(exact, samples)) / len(samples) for sample in samples
        ]

    check = PROBE(bench_of(Whole(lambda: relative)))
    assert check.outcome is Outcome.FAIL
    assert "beside" in check.message
    assert check.worst


def test_a_models_rounding_is_let_through() -> None:
    noise = random.Random(0)  # noqa: S311 - nothing secret is drawn
    made = bench(lambda sample: exact(sample) + 1e-4 * noise.random())
    made.model = True
    assert PROBE(made).outcome is Outcome.PASS


def test_no_reward_is_not_judged() -> None:
    assert PROBE(bench(lambda _: None)).outcome is Outcome.NOT_JUDGED
