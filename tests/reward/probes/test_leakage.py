from __future__ import annotations

from dataclasses import replace

from benches import bench, exact, sums

from vllm_migrate.reward.outcome import Outcome
from vllm_migrate.reward.probes.leakage import PROBE
from vllm_migrate.reward.sample import Sample


def asked(prompts: list[tuple[str, str]], completion: str = "Answer: 0") -> list[Sample]:
    return [
        Sample(prompt, completion, {"answer": answer}, group=number, answer=answer)
        for number, (prompt, answer) in enumerate(prompts)
    ]


def test_prompts_that_only_ask_pass() -> None:
    check = PROBE(bench(exact))
    assert check.outcome is Outcome.PASS
    assert check.message == "no prompt of 30 tells its answer"


def test_a_prompt_that_tells_its_answer_fails() -> None:
    samples = [replace(s, prompt=f"{s.prompt} (Answer: {s.answer})") if s.group == 7 else s for s in sums()]
    check = PROBE(bench(exact, samples))
    assert check.outcome is Outcome.FAIL
    assert "1 of 30 prompts tell their answer" in check.message
    assert str(100 + 49 + 900 - 77) in check.worst[0].prompt


def test_a_key_tells_it_in_another_form() -> None:
    samples = [replace(s, prompt=f"{s.prompt} {{'ground_truth': '{int(s.answer or 0):,}'}}") for s in sums()]
    assert PROBE(bench(exact, samples)).outcome is Outcome.FAIL


def test_examples_that_all_prompts_begin_with_tell_nothing() -> None:
    shot = "Q: 500+500? Answer: 1000\n"
    samples = [replace(s, prompt=shot + s.prompt) for s in sums()]
    assert samples[0].answer == "1000"
    assert PROBE(bench(exact, samples)).outcome is Outcome.PASS


def test_examples_that_hit_a_letter_by_chance_tell_nothing() -> None:
    letters = "ABCD"
    prompts = [
        (f"Example {n}: (A) x (B) y Answer: {letters[n * 7 % 4]}\nQuestion {n}?", letters[n * n // 3 % 4])
        for n in range(60)
    ]
    check = PROBE(bench(lambda _: 0.0, asked(prompts)))
    assert check.outcome is Outcome.PASS
    assert "chance" in check.message


def test_a_tool_that_gives_the_answer_away_fails_and_one_that_computes_it_does_not() -> None:
    told = asked([(f"Question {n}?", str(100 + n)) for n in range(20)])
    away = [replace(s, completion=f'<tool_response>{{"expected": {s.answer}}}</tool_response>') for s in told]
    assert PROBE(bench(lambda _: 0.0, away)).outcome is Outcome.FAIL
    computed = [replace(s, completion=f"<tool_response>{s.answer}</tool_response>") for s in told]
    assert PROBE(bench(lambda _: 0.0, computed)).outcome is Outcome.PASS


def test_an_answer_that_stands_in_its_prompt_is_a_warning() -> None:
    names = ["Ada", "Bert", "Cleo", "Dora", "Emil", "Fritz", "Gina", "Hugo", "Ines", "Jan"]
    prompts = [(f"{name} went out at {n}. Who went out?", name) for n, name in enumerate(names)]
    check = PROBE(bench(lambda _: 0.0, asked(prompts)))
    assert check.outcome is Outcome.WARN
    assert "100.0%" in check.message


def test_options_and_labels_are_no_leak() -> None:
    cities = ["Rome", "Oslo", "Bern", "Riga", "Kyiv", "Lima", "Doha", "Baku", "Cairo", "Minsk"]
    listed = [(f"Case {n}: (A) {city} (B) Paris", city) for n, city in enumerate(cities)]
    assert PROBE(bench(lambda _: 0.0, asked(listed))).outcome is Outcome.PASS
    moods = [(f"Text {n}. Is it positive or negative?", ["positive", "negative"][n % 2]) for n in range(20)]
    assert PROBE(bench(lambda _: 0.0, asked(moods))).outcome is Outcome.PASS


def test_without_references_nothing_can_leak() -> None:
    assert PROBE(bench(lambda _: 0.0, [Sample("Hello", "Hi")])).outcome is Outcome.NOT_APPLICABLE
