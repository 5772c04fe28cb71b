"""What rules leave unsaid, or say with less weight, because the code around it has seen to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

import pytest
from packaging.version import Version
from rule_support import by_code, context, find

from vllm_migrate.edits.model import Level
from vllm_migrate.facts.model import Target
from vllm_migrate.files.adapters import read_file
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.use import Use
from vllm_migrate.resolve.project import build_index

NEW = "        from vllm.v1.worker.gpu_worker import Worker\n"
OLD = "        from vllm.worker.worker import Worker\n"


def _worker(first: str, second: str) -> str:
    return (
        f"def worker():\n    try:\n{first}        return Worker\n    except ImportError:\n        pass\n"
        f"    try:\n{second}        return Worker\n    except ImportError as error:\n"
        "        raise RuntimeError from error\n"
    )


def test_an_import_that_is_only_tried_after_a_working_one() -> None:
    assert find(by_code("VM101"), _worker(NEW, OLD)) == []


def test_a_working_import_in_another_function_is_no_first_try() -> None:
    other = "\n\ndef other():\n    from vllm.worker.worker import Worker\n    return Worker\n"
    assert len(find(by_code("VM101"), _worker(NEW, OLD) + other)) == 1


def test_a_working_import_that_comes_later_is_no_first_try() -> None:
    text = _worker(NEW, OLD)
    assert find(by_code("VM101"), text) == []
    unguarded = "def worker():\n    from vllm.worker.worker import Worker\n    try:\n" + NEW
    assert len(find(by_code("VM101"), unguarded + "    except ImportError:\n        pass\n")) == 1


def test_a_name_that_lives_on_elsewhere_is_shown_there() -> None:
    (finding,) = find(
        by_code("VM102"), "from vllm.entrypoints.utils import cli_env_setup\n\ncli_env_setup()\n"
    )
    assert "vllm.entrypoints.serve.utils.api_utils.cli_env_setup" in finding.advice


def test_a_variable_that_is_read_to_be_written_back_is_reported_once() -> None:
    head = "import os\nimport vllm\n\n"
    text = f'{head}os.environ["VLLM_USE_V1"] = os.environ.get("VLLM_USE_V1", "0")\n'
    (finding,) = find(by_code("VM802"), text)
    assert finding.level is Level.NOTE
    assert (
        len(find(by_code("VM802"), f'{head}if os.environ.get("VLLM_USE_V1", "0") == "1":\n    run()\n')) == 1
    )


def test_a_variable_whose_successor_is_set_too_breaks_nothing() -> None:
    text = 'import os\nimport vllm\n\nos.environ["VLLM_TORCH_PROFILER_DIR"] = path\n'
    (finding,) = find(by_code("VM804"), text)
    assert finding.level is Level.ERROR
    (finding,) = find(by_code("VM804"), f'{text}more = {{"profiler_config": settings}}\n')
    assert finding.level is Level.WARNING


@pytest.mark.parametrize("name", ["VLLM_RPC_TIMEOUT", "VLLM_ENGINE_ITERATION_TIMEOUT_S"])
def test_a_limit_that_nothing_took_over_is_not_said_to_be_renamed(name: str) -> None:
    (finding,) = find(by_code("VM804"), f'import os\nimport vllm\n\nos.environ["{name}"] = "10000"\n')
    assert "another name" not in finding.message
    assert finding.advice.startswith("remove it")


def test_a_configuration_that_may_be_several_is_not_named() -> None:
    text = (
        "from trl import CPOConfig, DPOConfig\n\n\ndef build(kind, n):\n    made = {}\n"
        '    if kind == "cpo":\n        config = CPOConfig\n    else:\n        config = DPOConfig\n'
        '        made["max_prompt_length"] = n\n    return config("out", **made)\n'
    )
    (finding,) = find(by_code("VM601"), text)
    assert "CPOConfig" not in finding.message
    (finding,) = find(
        by_code("VM601"), "from trl import DPOConfig\n\nc = DPOConfig('out', max_prompt_length=4)\n"
    )
    assert "DPOConfig" in finding.message


RL = Use(reads_logprobs=True, takes_logprobs=True, trains=True)


def test_an_asynchronous_engine_whose_weights_stay_serves_requests() -> None:
    text = "from vllm import AsyncEngineArgs\n\n\ndef build():\n    return AsyncEngineArgs('m')\n"
    for code in ("VM703", "VM705"):
        assert find(by_code(code), text, use=RL) == []
        assert find(by_code(code), text, use=replace(RL, syncs_weights=True))
        assert find(by_code(code), text.replace("AsyncEngineArgs", "LLM"), use=RL)


def test_who_samples_without_logprobs_has_none_to_be_wrong() -> None:
    text = (
        "from vllm import LLM, SamplingParams\n\n\ndef run(p):\n    return LLM('m').generate(p, {params})\n"
    )
    assert find(by_code("VM701"), text.format(params="SamplingParams(n=4)"), use=RL) == []
    assert find(by_code("VM701"), text.format(params="SamplingParams(logprobs=0)"), use=RL)
    assert find(by_code("VM701"), text.format(params="p.params"), use=RL)


def test_arguments_of_a_class_that_is_put_in_place_of_vllms() -> None:
    use = "from vllm.lora.request import LoRARequest\n\nr = LoRARequest('a', 1, lora_tensors=t)\n"
    assert find(by_code("VM490"), use)
    assert (
        find(by_code("VM490"), f"import vllm.lora.request\nvllm.lora.request.LoRARequest = Mine\n{use}") == []
    )


def test_fields_of_a_request_that_a_server_hands_through_are_its_own() -> None:
    head = "from vllm import LLM\n\n\ndef handle(body, sent):\n"
    for text in (
        '    sent["guided_json"] = body.get("guided_json")\n',
        '    sent["guided_json"] = body["guided_json"]\n',
        '    return {"guided_json": body.pop("guided_json", None)}\n',
    ):
        assert find(by_code("VM307"), head + text) == []
    sent = f'{head}    sent["guided_json"] = body.get("schema")\n'
    assert find(by_code("VM307"), sent) == []  # whose dictionary it is, nothing shows
    assert find(by_code("VM307"), f'{sent}    requests.post("http://h/v1/completions", json=sent)\n')


def test_imports_that_only_a_type_checker_runs_break_nothing() -> None:
    head = "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n"
    (finding,) = find(by_code("VM101"), head + "    from vllm.sequence import PromptLogprobs\n")
    assert finding.level is Level.NOTE
    (finding,) = find(by_code("VM102"), head + "    from vllm.sequence import SequenceGroup\n")
    assert finding.level is Level.NOTE


def test_a_package_is_no_user_of_itself() -> None:
    text = "from trl.extras.vllm_client import VLLMClient\n"
    assert find(by_code("VM101"), text, file_name="train.py")
    package = [("trl/__init__.py", b""), ("trl/extras/__init__.py", b""), ("trl/trainer.py", text.encode())]
    files = [(PurePosixPath(name), source) for name, source in package]
    path, source = files[-1]
    target = Target("vllm", Version("0.32.0"))
    facts = read_file(path, FileKind.PYTHON, source, build_index(files), target)
    assert list(by_code("VM101").find(facts, context(facts.use))) == []


def test_the_default_of_an_option_is_not_reported_beside_the_call_it_is_given_to() -> None:
    text = (
        "import argparse\nfrom vllm import SamplingParams\n\nparser = argparse.ArgumentParser()\n"
        'parser.add_argument("--longest", type=int, default=8)\nargs = parser.parse_args()\n'
        "params = SamplingParams(truncate_prompt_tokens=args.longest)\n"
    )
    (finding,) = find(by_code("VM301"), text)
    assert text[: finding.span.start].count("\n") == 6


def test_an_engine_that_was_woken_has_an_empty_cache() -> None:
    text = (
        "from vllm import LLM\n\n\ndef update(llm: LLM, weights):\n{wake}"
        "    llm.collective_rpc('update_weights', args=(weights,))\n"
    )
    assert find(by_code("VM706"), text.format(wake=""))
    assert find(by_code("VM706"), text.format(wake="    llm.wake_up()\n")) == []


def test_logprobs_of_prompts_are_another_matter() -> None:
    text = (
        "from vllm import LLM, SamplingParams\n\n\ndef score(p):\n    llm = LLM('m')\n"
        "    out = llm.generate(p, SamplingParams({asks}=1, temperature=0.5))\n    return out[0].{reads}\n"
    )
    assert find(by_code("VM701"), text.format(asks="logprobs", reads="outputs[0].logprobs"))
    assert find(by_code("VM701"), text.format(asks="prompt_logprobs", reads="prompt_logprobs")) == []


def test_metrics_that_are_only_handed_on_break_nothing() -> None:
    head = "from vllm import LLM\n\nllm = LLM('m')\nfor one in llm.generate('a'):\n"
    (finding,) = find(by_code("VM403"), head + "    keep({'metrics': one.metrics})\n")
    assert finding.level is Level.NOTE
    (finding,) = find(by_code("VM403"), head + "    print(one.metrics.arrival_time)\n")
    assert finding.level is Level.ERROR


def test_prompt_logprobs_that_nobody_reads() -> None:
    text = "from vllm import SamplingParams\n\nparams = SamplingParams(prompt_logprobs=0, temperature=0.8)\n"
    (finding,) = find(by_code("VM707"), text, use=RL)
    assert finding.level is Level.NOTE
    (finding,) = find(by_code("VM707"), text, use=replace(RL, takes_prompt_logprobs=True))
    assert finding.level is Level.WARNING


def test_a_walk_that_only_old_releases_have() -> None:
    text = "from vllm import LLM\n\nrunner = LLM('m').llm_engine.model_executor.worker.model_runner\n"
    (finding,) = find(by_code("VM501"), text, use=Use(in_process_by_variable=True))
    assert "driver_worker.worker" in finding.message
    (finding,) = find(
        by_code("VM501"), text.replace(".worker.", ".driver_worker."), use=Use(in_process_by_variable=True)
    )
    assert "works only with" in finding.message
