"""Positions are read from both APIs; what stands at them is named as the source meant it."""

from __future__ import annotations

import ast

import pytest
from rule_support import by_code, edited, find

from vllm_migrate.edits.model import Level, Safety

HEAD = "from vllm import LLM, SamplingParams\n\n\n"


def test_all_fields_by_position_keep_their_meaning() -> None:
    given = "1, None, None, 0.1, 0.2, 1.1, 0.7, 0.9, 20, 0.05, 7, None, [2], True, 64, 3, 1, 0"
    text = f"{HEAD}params = SamplingParams({given})\n"
    after = edited("VM304", text)
    call = ast.parse(after).body[-1].value  # type: ignore[attr-defined]
    assert [ast.unparse(a) for a in call.args] == ["1"]
    assert {k.arg: ast.unparse(k.value) for k in call.keywords} == {
        "presence_penalty": "0.1",
        "frequency_penalty": "0.2",
        "repetition_penalty": "1.1",
        "temperature": "0.7",
        "top_p": "0.9",
        "top_k": "20",
        "min_p": "0.05",
        "seed": "7",
        "stop": "None",
        "stop_token_ids": "[2]",
        "ignore_eos": "True",
        "max_tokens": "64",
        "min_tokens": "3",
        "logprobs": "1",
        "prompt_logprobs": "0",
    }


def test_layout_and_comments_stay() -> None:
    text = f"{HEAD}params = SamplingParams(\n    4,  # group\n    None,\n    None,\n    0.5,  # presence\n)\n"
    assert edited("VM304", text) == (
        f"{HEAD}params = SamplingParams(\n    4,  # group\n    presence_penalty=0.5,  # presence\n)\n"
    )


@pytest.mark.parametrize(
    "call",
    ["SamplingParams(1, 8, None, 0.5)", "SamplingParams(1, *rest)", "SamplingParams(1, None, None, *rest)"],
)
def test_what_can_not_be_named_is_not_edited(call: str) -> None:
    text = f"{HEAD}def build(rest):\n    return {call}\n"
    assert all(finding.safety is Safety.MANUAL for finding in find(by_code("VM304"), text))
    assert edited("VM304", text) == text


def test_positions_of_a_wrapper_are_its_own() -> None:
    text = (
        f"{HEAD}def build(size, name, **more):\n    return LLM(name, seed=size, **more)\n\n\n"
        'llm = build(1, "m", tokenizer="t")\n'
    )
    assert find(by_code("VM402"), text) == []


def test_a_subclass_takes_what_its_base_takes() -> None:
    text = f'{HEAD}class Mine(LLM):\n    pass\n\n\nllm = Mine("m", "t")\n'
    (finding,) = find(by_code("VM402"), text)
    assert finding.safety is Safety.UNSAFE
    assert 'Mine("m", tokenizer="t")' in edited("VM402", text)


def test_a_template_that_becomes_a_priority_is_a_warning_and_a_type_error_an_error() -> None:
    chat = f'{HEAD}llm = LLM("m")\nllm.chat([], None, True, None, "template")\n'
    generate = f'{HEAD}llm = LLM("m")\nllm.generate("a", None, None, False)\n'
    assert [f.level for f in find(by_code("VM402"), chat)] == [Level.WARNING]
    assert [f.level for f in find(by_code("VM402"), chat, target="0.31.0")] == []
    assert [f.level for f in find(by_code("VM402"), generate)] == [Level.ERROR]


@pytest.mark.parametrize(
    ("call", "source"),
    [("LLM('m').score(question, answers)", "0.8.5"), ("engine.add_request('0', question, None)", "0.6.3")],
)
def test_another_name_for_the_same_place_changes_nothing(call: str, source: str) -> None:
    text = (
        f"from vllm import LLM, LLMEngine\n\n\ndef ask(engine: LLMEngine, question, answers):\n    {call}\n"
    )
    assert find(by_code("VM402"), text, source=source) == []
