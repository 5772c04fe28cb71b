from __future__ import annotations

from benches import bench, exact

from vllm_migrate.reward.outcome import Outcome
from vllm_migrate.reward.probes.whitespace import PROBE


def test_a_reward_that_strips_what_it_compares_stays() -> None:
    check = PROBE(bench(exact))
    assert check.outcome is Outcome.PASS
    assert check.parts["line breaks"] == 1.0


def test_a_reward_that_compares_to_the_byte_is_caught_and_the_worst_change_is_named() -> None:
    check = PROBE(bench(lambda sample: float(sample.completion.endswith(f"Answer: {sample.answer}"))))
    assert check.outcome is Outcome.FAIL
    assert check.parts["space in front"] == 1.0
    assert check.parts["blank lines at the end"] < 0.5
    assert "at the end" in check.worst[0].change


def test_a_fault_is_a_move() -> None:
    def raises_on_blank_lines(sample: object) -> float:
        if "\n\n" in sample.completion:  # type: ignore[attr-defined]
            raise ValueError("two paragraphs")
        return 1.0

    check = PROBE(bench(raises_on_blank_lines))
    assert check.outcome is Outcome.FAIL
    assert "raised ValueError: two paragraphs" in check.worst[0].change
