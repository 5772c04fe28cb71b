"""What becomes of `best_of`: the choice that V0's engine made is made behind the call."""

from __future__ import annotations

import ast

import pytest
from rule_support import by_code, edited, find

from vllm_migrate.edits.model import Safety

HEAD = "from vllm import LLM, SamplingParams\n\n\n"
SORT = "output.outputs.sort(key=lambda sample: sample.cumulative_logprob, reverse=True)"


def test_a_number_out_of_sight_travels_with_the_request() -> None:
    text = (
        f"{HEAD}class Sampler:\n    def __init__(self, keep, draw):\n        self.llm = LLM('m')\n"
        "        self.params = SamplingParams(n=keep, best_of=draw, logprobs=1)\n\n"
        "    def run(self, prompts):\n        found = self.llm.generate(prompts, self.params)\n"
        "        return found\n"
    )
    after = edited("VM308", text)
    assert 'SamplingParams(n=draw, logprobs=1, extra_args={"kept": keep})' in after
    assert f"        for output in found:\n            {SORT}\n" in after
    assert 'del output.outputs[self.params.extra_args["kept"]:]' in after


@pytest.mark.parametrize(
    ("written", "becomes", "kept"),
    [
        ("best_of=4", "logprobs=0, n=4", "1"),
        ("n=2, best_of=4, logprobs=None", "n=4, logprobs=0", "2"),
        ("n=keep, best_of=draw, logprobs=5", "n=draw, logprobs=5", "keep"),
    ],
)
def test_the_number_in_sight_is_kept(written: str, becomes: str, kept: str) -> None:
    text = (
        f"{HEAD}def run(llm: LLM, prompts, keep, draw):\n    params = SamplingParams({written})\n"
        "    outputs = llm.generate(prompts, params)\n    return outputs\n"
    )
    after = edited("VM308", text)
    (call,) = [n for n in ast.walk(ast.parse(after)) if isinstance(n, ast.Call) and n.keywords][:1]
    assert {ast.unparse(k) for k in call.keywords} == set(becomes.split(", "))
    assert f"del output.outputs[{kept}:]" in after


@pytest.mark.parametrize(
    "body",
    [
        "    return llm.generate(prompts, SamplingParams(n=1, best_of=4))\n",
        "    a = llm.generate(prompts, SamplingParams(best_of=4))\n    return a, llm.generate(prompts)\n",
        "    outputs = llm.generate(prompts, SamplingParams(**{'n': 1, 'best_of': 4}))\n    return outputs\n",
        "    outputs = llm.generate(prompts, SamplingParams(best_of=4, **more))\n    return outputs\n",
    ],
)
def test_what_can_not_be_followed_is_left_to_a_person(body: str) -> None:
    text = f"{HEAD}def run(llm: LLM, prompts, more):\n{body}"
    (finding,) = find(by_code("VM308"), text)
    assert finding.safety is Safety.MANUAL
    assert "cumulative_logprob" in finding.advice


def test_a_configuration_file_is_another_rules() -> None:
    text = "sampling_params:\n  n: 1\n  best_of: 4\n"
    assert find(by_code("VM308"), text, "config.yaml") == []
    (finding,) = find(by_code("VM301"), text, "config.yaml")
    assert finding.safety is Safety.MANUAL


def test_the_order_of_as_many_samples_as_come_back_needs_a_reader() -> None:
    text = f"{HEAD}params = SamplingParams(n=8, best_of=8)\n"
    (finding,) = find(by_code("VM301"), text)
    assert finding.safety is Safety.UNSAFE
    assert "order" in finding.precondition


def test_beams_of_an_engine_that_searches_none() -> None:
    """`LLM` has a beam search, the asynchronous engine has none."""
    head = "from vllm import AsyncLLMEngine, LLM, SamplingParams\n\n\ndef ask(args, beams):\n"
    params = "    return engine, SamplingParams(use_beam_search=beams)\n"
    (plain,) = find(by_code("VM301"), f'{head}    engine = LLM("m")\n{params}')
    (awaited,) = find(by_code("VM301"), f"{head}    engine = AsyncLLMEngine.from_engine_args(args)\n{params}")
    assert "llm.beam_search(" in plain.advice
    assert "no beam search of its own" in awaited.advice


def test_samples_of_an_asynchronous_engine_are_asked_for_together() -> None:
    text = (
        "from vllm import AsyncLLMEngine, SamplingParams\n\n\ndef ask(args, prompt, width):\n"
        "    engine = AsyncLLMEngine.from_engine_args(args)\n"
        '    return engine.generate(prompt, SamplingParams(n=1, best_of=width), "0")\n'
    )
    (found,) = find(by_code("VM308"), text)
    assert found.advice.endswith("output_kind=RequestOutputKind.FINAL_ONLY")
