"""What rules leave unsaid, or say with less weight, because the code around it has seen to it."""

from __future__ import annotations

from dataclasses import replace

from rule_support import by_code, find

from vllm_migrate.edits.model import Level
from vllm_migrate.files.located import Use

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
    assert find(by_code("VM307"), f'{head}    sent["guided_json"] = body.get("schema")\n')
