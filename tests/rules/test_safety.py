"""What the rules promise beyond their examples: whose code is left alone, what is never called safe."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rule_support import by_code, find, read

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.files.use import Use
from vllm_migrate.rules.registry import all_rules

RL = Use(reads_logprobs=True, takes_logprobs=True, syncs_weights=True, trains=True)
EVALUATION = Use(reads_logprobs=True, takes_logprobs=True)
BUILD = 'from vllm import LLM, SamplingParams\n\n\ndef build(**more):\n    return LLM("m"{arguments})\n'
PARITY = ("VM701", "VM702", "VM703")


@pytest.mark.parametrize("code", PARITY)
def test_parity_is_added_where_rl_is_known_and_nothing_was_written(code: str) -> None:
    (finding,) = find(by_code(code), BUILD.format(arguments=""), use=RL)
    assert finding.safety is Safety.SAFE
    assert finding.precondition


@pytest.mark.parametrize(
    ("code", "written"),
    [
        ("VM701", 'logprobs_mode="raw_logprobs"'),
        ("VM701", "logprobs_mode=mode"),
        ("VM702", "enable_prefix_caching=True"),
        ("VM702", "enable_prefix_caching=cache"),
        ("VM703", "async_scheduling=True"),
        ("VM704", 'generation_config="auto"'),
        ("VM705", "seed=0"),
    ],
)
def test_a_value_somebody_wrote_is_never_overwritten(code: str, written: str) -> None:
    text = BUILD.format(arguments=f", {written}")
    assert all(not finding.edits for finding in find(by_code(code), text, use=RL, source="0.7.3"))


@pytest.mark.parametrize("code", PARITY)
def test_a_double_star_that_can_not_be_followed_may_hold_it_already(code: str) -> None:
    (finding,) = find(by_code(code), BUILD.format(arguments=", **SETTINGS"), use=RL)
    assert finding.safety is Safety.MANUAL
    assert finding.advice


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.code)
def test_evaluation_that_does_not_train_gets_a_note_at_most(rule: object) -> None:
    text = BUILD.format(arguments="")
    for finding in find(rule, text, use=EVALUATION):  # type: ignore[arg-type]
        assert finding.level is Level.NOTE
        assert not finding.edits


def test_min_p_with_top_p_is_not_safe() -> None:
    text = (
        "from vllm import LLM, SamplingParams\n\n\ndef build():\n"
        '    return LLM("m"), SamplingParams(min_p=0.1, top_p=0.9, logprobs=1)\n'
    )
    (finding,) = find(by_code("VM701"), text, use=RL)
    assert finding.safety is Safety.UNSAFE
    assert "min_p" in finding.message


def test_the_fast_recipe_keeps_what_v1_is_fast_by() -> None:
    text = BUILD.format(arguments="")
    assert find(by_code("VM703"), text, use=RL, recipe="fast") == []
    (finding,) = find(by_code("VM702"), text, use=RL, recipe="fast")
    assert not finding.edits
    assert "reset_prefix_cache" in finding.advice


def test_a_project_that_resets_its_cache_keeps_it() -> None:
    use = Use(syncs_weights=True, resets_cache=True)
    build = BUILD.format(arguments="")
    assert find(by_code("VM702"), build, use=use) == []
    update = (
        "\n\ndef update_weights(llm, weights):\n    llm.collective_rpc('update_weight', args=(weights,))\n"
    )
    (finding,) = find(by_code("VM702"), build + update, use=use)
    assert finding.level is Level.NOTE
    assert not finding.edits
    reset = "\n\ndef after(llm):\n    llm.reset_prefix_cache()\n"
    assert find(by_code("VM702"), build + update + reset, use=use) == []


HANDED_ON = "class Actor:\n    def __init__(self, **more):\n        self.llm = LLM('m', **more)\n"


@pytest.mark.parametrize(
    ("code", "written"),
    [
        ("VM701", "Actor.remote(logprobs_mode='processed_logprobs')"),
        ("VM702", "Actor.options().remote(enable_prefix_caching=cache)"),
        ("VM703", "more = {'async_scheduling': False}"),
        ("VM705", "Actor.remote(enforce_eager=True, seed=seed + i)"),
        ("VM705", "engine_kwargs = {'seed': 0}"),
        ("VM705", "more.update({'seed': 1, 'tensor_parallel_size': 2})"),
    ],
)
def test_what_may_come_through_a_double_star_is_not_missed(code: str, written: str) -> None:
    text = f"from vllm import LLM, SamplingParams\n\n\n{HANDED_ON}"
    assert find(by_code(code), text, use=RL)
    use = replace(RL, passes_on=read(f"{text}\n\n{written}\n".encode(), "a.py", "0.32.0").use.passes_on)
    assert find(by_code(code), text, use=use) == []


def test_logprobs_that_are_asked_for_and_thrown_away_change_nothing() -> None:
    build = BUILD.format(arguments="")
    asked = Use(reads_logprobs=True, syncs_weights=True, trains=True)
    assert find(by_code("VM701"), build, use=asked) == []
    assert find(by_code("VM701"), build, use=replace(asked, takes_logprobs=True))


def test_a_seed_of_something_else_is_not_the_engines() -> None:
    text = "data = data.shuffle(seed=1)\nsettings = {'seed': 1}\n"
    assert not read(f"import vllm\n{text}".encode(), "a.py", "0.32.0").use.passes_on


def test_a_seed_is_never_made_up() -> None:
    (finding,) = find(by_code("VM705"), BUILD.format(arguments=""), use=RL)
    assert finding.safety is Safety.MANUAL
    assert "rank" in finding.advice.lower()


@pytest.mark.parametrize(
    "text",
    [
        "import vllm as v\n\nargs = v.EngineArgs('m', swap_space=4)\n",
        "from vllm.engine.arg_utils import EngineArgs as E\n\nargs = E('m', swap_space=4)\n",
        "from vllm import EngineArgs\n\nbuild = EngineArgs\nargs = build('m', swap_space=4)\n",
        "from vllm import EngineArgs\n\no = dict(model='m')\no['swap_space'] = 4\nargs = EngineArgs(**o)\n",
    ],
)
def test_aliases(text: str) -> None:
    assert len(find(by_code("VM201"), text)) == 1


def test_a_guarded_import_with_a_fallback_to_the_new_place_is_left_alone() -> None:
    text = (
        "try:\n    from vllm.sampling_params import GuidedDecodingParams\nexcept ImportError:\n"
        "    from vllm.sampling_params import StructuredOutputsParams as GuidedDecodingParams\n"
    )
    assert find(by_code("VM302"), text) == []


@pytest.mark.parametrize(
    ("field", "safeties"),
    [
        ('backend="outlines"', {Safety.UNSAFE}),
        ("disable_fallback=True", {Safety.UNSAFE, Safety.MANUAL}),
    ],
)
def test_a_constraint_with_a_field_that_went_is_not_safe(field: str, safeties: set[Safety]) -> None:
    text = (
        "from vllm.sampling_params import GuidedDecodingParams\n\n"
        f'guide = GuidedDecodingParams(regex="a", {field})\n'
    )
    assert {finding.safety for finding in find(by_code("VM302"), text)} == safeties


def test_every_manual_finding_of_a_dense_file_says_what_to_write() -> None:
    text = (
        "import os\nfrom vllm import LLM, SamplingParams\nfrom vllm.sequence import SequenceGroup\n"
        'os.environ["VLLM_FLASH_ATTN_VERSION"] = "2"\n\n\n'
        "class Trainer:\n    def __init__(self):\n"
        '        self.llm = LLM("m", device="cuda:1", speculative_model="d", rope_scaling={"a": 1})\n\n'
        "    def run(self, params):\n"
        "        SamplingParams(n=1, best_of=4, truncate_prompt_tokens=9, logits_processors=[print])\n"
        "        return self.llm.llm_engine.model_executor.driver_worker.model_runner.model.lm_head\n"
    )
    found = [finding for rule in all_rules() for finding in find(rule, text, use=RL)]
    assert len(found) >= 10
    for finding in found:
        assert bool(finding.advice) == (finding.safety is Safety.MANUAL)
        assert finding.message[0] != " "
        assert not finding.message.endswith(".")
