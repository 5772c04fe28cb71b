from __future__ import annotations

from benches import bench, exact

from vllm_migrate.reward.penalty import is_penalty


def test_what_only_takes_away_is_one() -> None:
    assert is_penalty(bench(lambda sample: -float(sample.group == 1)))
    assert is_penalty(bench(lambda sample: -float(len(sample.completion) > 10_000)))
    assert is_penalty(bench(lambda sample: -float(sample.finish_reason == "length")))


def test_what_gives_or_never_moves_is_none() -> None:
    assert not is_penalty(bench(exact))
    assert not is_penalty(bench(lambda _: 0.0))
    assert not is_penalty(bench(lambda _: 1.0))
    assert not is_penalty(bench(lambda _: None))
