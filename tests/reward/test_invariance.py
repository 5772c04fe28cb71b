from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from benches import bench, exact, sums

from vllm_migrate.reward.changes.invariance import Change, drawn, examine_changes
from vllm_migrate.reward.outcome import Outcome

if TYPE_CHECKING:
    from vllm_migrate.reward.sample import Sample

STARS = Change("stars", "stars put in front", lambda sample: "*** " + sample.completion)
ADVICE = "none"


def test_what_goes_by_length_alone_is_another_probes_question() -> None:
    check = examine_changes(bench(lambda s: len(s.completion) / 10), "whitespace", (STARS,), advice=ADVICE)
    assert check.outcome is Outcome.PASS
    assert "length" in check.message
    paid = examine_changes(
        bench(lambda s: exact(s) + s.completion.count("*")), "whitespace", (STARS,), advice=ADVICE
    )
    assert paid.outcome is Outcome.FAIL


def test_rare_successes_are_counted_apart() -> None:
    rare = [sample for number, sample in enumerate(sums(30, 4)) if exact(sample) == 0 or number % 6 == 1]

    def strict(sample: Sample) -> float:
        return exact(sample) * float(not sample.completion.startswith("*"))

    check = examine_changes(bench(strict, rare), "whitespace", (STARS,), advice=ADVICE)
    assert check.parts["stars"] == 0.0
    assert check.outcome is Outcome.FAIL
    assert "texts that earn much" in check.message


def test_one_text_that_moves_of_three_is_no_failure() -> None:
    one = bench(lambda s: exact(s) * float(not (s.completion.startswith("*") and s.group == 1)), sums(3, 1))
    assert examine_changes(one, "whitespace", (STARS,), advice=ADVICE).outcome is Outcome.WARN


def test_token_ids_that_a_changed_text_lacks_move_nothing() -> None:
    tokens = [replace(sample, token_ids=(1,) * (90 + sample.group)) for sample in sums()]
    check = examine_changes(
        bench(lambda s: -max(0.0, len(s.token_ids) - 100) / 10, tokens), "whitespace", (STARS,), advice=ADVICE
    )
    assert check.outcome is Outcome.PASS


def test_a_models_order_counts_and_its_figures_do_not() -> None:
    def judge(shift: float):
        return lambda s: 2 * exact(s) + s.group % 7 / 10 + shift * s.completion.startswith("*")

    steady, paid = bench(judge(0.4)), bench(judge(3.0))
    steady.model = paid.model = True
    check = examine_changes(steady, "whitespace", (STARS,), advice=ADVICE)
    assert check.outcome is Outcome.PASS
    assert check.figure is not None
    assert check.figure.value == 1.0
    check = examine_changes(paid, "whitespace", (STARS,), advice=ADVICE)
    assert check.outcome is Outcome.FAIL
    assert "order" in check.message


def test_half_of_what_is_drawn_is_at_the_top() -> None:
    one = bench(exact, sums(60, 4))
    places = drawn(one)
    assert len(places) <= one.most
    assert abs(sum(exact(one.samples[place]) for place in places) / len(places) - 0.5) < 0.3
    assert len({one.samples[place].group for place in places}) > 30
