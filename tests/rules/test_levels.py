"""How bad a finding is where the code around it never runs, and where a module is imported by its name."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rule_support import by_code, find

from vllm_migrate.edits.model import Level
from vllm_migrate.files.prefilter import trains, worth_parsing
from vllm_migrate.files.use import Use

_LAZY = "from __future__ import annotations\n"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("VM102", "import vllm.sequence\n\n\ndef f(x: vllm.sequence.SequenceGroup) -> None: ...\n"),
        ("VM101", "import vllm.utils\n\n\ndef f(x: vllm.utils.FlexibleArgumentParser) -> None: ...\n"),
        (
            "VM190",
            "import vllm.model_executor.layers.fused_moe as moe\n\n\ndef f(x: moe.FusedMoE) -> None: ...\n",
        ),
    ],
)
def test_what_is_never_evaluated_is_a_note(code: str, text: str) -> None:
    now = [one.level for one in find(by_code(code), text) if "import" not in one.message]
    lazy = [one.level for one in find(by_code(code), _LAZY + text)]
    assert now == [Level.ERROR]
    assert lazy == [Level.NOTE]


def test_an_import_for_type_checkers_is_a_note_beside_an_error_where_the_class_is_used() -> None:
    text = (
        "from typing import TYPE_CHECKING\n\nimport vllm\n\nif TYPE_CHECKING:\n"
        "    from vllm.sampling_params import GuidedDecodingParams\n\n\n"
        'def guide(schema) -> "GuidedDecodingParams":\n'
        "    return vllm.sampling_params.GuidedDecodingParams(json=schema)\n"
    )
    assert [one.level for one in find(by_code("VM302"), text)] == [Level.NOTE, Level.ERROR]


@pytest.mark.parametrize("importer", ["importlib.import_module", "import_module", "try_import"])
def test_a_module_that_is_imported_by_its_name_is_followed(importer: str) -> None:
    text = (
        f'vllm = {importer}("vllm")\n\n\n'
        "def guide(schema):\n    return vllm.sampling_params.GuidedDecodingParams(json=schema)\n"
    )
    assert [one.level for one in find(by_code("VM302"), text)] == [Level.ERROR]
    assert worth_parsing(text.encode())
    assert not worth_parsing(text.replace('"vllm"', '"other"').replace("vllm", "v").encode())


@pytest.mark.parametrize(
    ("walk", "advice"),
    [
        (
            "x = llm.llm_engine.model_executor.cache_config.block_size",
            "llm.llm_engine.vllm_config.cache_config.block_size",
        ),
        ("del llm.llm_engine.model_executor", "leave it out of the del"),
        ("del llm.llm_engine.model_executor.driver_worker", "leave it out of the del"),
        ("x = llm.llm_engine.model_executor", "hand llm on in its place"),
        (
            "llm.llm_engine.model_executor.update(path)",
            'llm.collective_rpc("update", args=(path,)) of a worker_',
        ),
        (
            "llm.llm_engine.model_executor.free_kv_cache()",
            "llm.sleep(level=1 or 2) gives weights and KV cache",
        ),
        ("llm.llm_engine.model_executor.execute_model(request)", "drop the step that calls it"),
        ("llm.llm_engine.model_executor.add_lora(lora)", "llm.add_lora(lora): V1's engine has it itself"),
        (
            "llm.llm_engine.model_executor.shutdown()",
            "leave it out: V1's engine does",
        ),
        ("x = llm.llm_engine.model_executor.latency", "V1's executor isn't here to have latency"),
        ("x = llm.llm_engine.model_executor.driver_worker.is_driver_worker", "leave it out: V1's executor"),
        ("assert isinstance(llm.llm_engine.model_executor, Mine)", "leave the question for its class out"),
        ('x = getattr(llm.llm_engine.model_executor, "driver_worker")', 'llm.collective_rpc("method", args='),
    ],
)
def test_what_to_do_about_a_walk_depends_on_what_is_done_with_it(walk: str, advice: str) -> None:
    (found,) = find(by_code("VM501"), f"from vllm import LLM\n\n\ndef f(llm: LLM):\n    {walk}\n")
    assert found.advice.startswith(advice)


def test_an_asynchronous_engine_is_never_said_to_stay_in_this_process() -> None:
    head = "import os\n\nfrom vllm import AsyncLLMEngine, LLM\n\n\n"
    walk = "{0}.model_executor.driver_worker.model_runner.model.lm_head\n"
    asynchronous = f"def f(one: AsyncLLMEngine):\n    x = {walk.format('one.engine')}"
    synchronous = f"def f(one: LLM):\n    x = {walk.format('one.llm_engine')}"
    (found,) = find(by_code("VM501"), head + asynchronous)
    (other,) = find(by_code("VM501"), head + synchronous)
    assert "this process" not in found.advice
    assert "this process" in other.advice
    kept = head.replace("os\n", 'os\n\nos.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"\n')
    assert [one.level for one in find(by_code("VM501"), kept + asynchronous)] == [Level.ERROR]
    assert not find(by_code("VM501"), kept + synchronous)


@pytest.mark.parametrize("walk", ["model_executor.collective_rpc", "model_executor.driver_worker"])
def test_a_walk_that_only_a_synchronous_engine_has_is_not_awaited(walk: str) -> None:
    text = (
        "from vllm import AsyncLLMEngine, LLMEngine\n\n\nclass Server:\n    def __init__(self, args, ask):\n"
        "        made = AsyncLLMEngine if ask else LLMEngine\n"
        "        self.engine = made.from_engine_args(args)\n\n"
        "    async def close(self):\n        self.engine.{0}('close')\n"
    )
    (found,) = find(by_code("VM501"), text.format(walk))
    assert "await " not in f"{found.advice} {found.edits}"
    (behind,) = find(by_code("VM501"), text.format(f"engine.{walk}"))
    assert "await " in f"{behind.advice} {behind.edits}"


def test_an_object_that_is_no_engine_is_not_called_for_one() -> None:
    text = (
        "import vllm\n\n\nclass Manager:\n    def __init__(self, executor):\n"
        '        self.driver_worker = getattr(executor, "driver_worker")\n\n'
        "    def model(self):\n        return self.driver_worker.model_runner.model.lm_head\n"
    )
    (found,) = find(by_code("VM501"), text)
    assert "self.collective_rpc" not in found.advice


@pytest.mark.parametrize(
    ("loaded", "sent"),
    [
        ("read()", False),
        ("((key, f.get_tensor(key)) for key in f.keys())", False),
        ("tensors", True),
    ],
)
def test_what_reads_from_an_open_file_is_not_sent_to_the_engine(loaded: str, *, sent: bool) -> None:
    text = (
        "from safetensors import safe_open\nfrom vllm import LLM\n\n\ndef f(llm: LLM, path, tensors):\n"
        "    model = llm.llm_engine.model_executor.driver_worker.model_runner.model\n"
        '    with safe_open(path, framework="pt") as f:\n'
        "        def read():\n            for key in f.keys():\n"
        "                yield key, f.get_tensor(key)\n"
        f"        model.load_weights({loaded})\n"
        "    return model.config\n"
    )
    (found,) = find(by_code("VM501"), text)
    assert ("apply_model" in found.advice) is sent


def test_metrics_that_are_read_are_reported_where_they_are_read() -> None:
    head = 'from vllm import LLM\n\nllm = LLM("m")\nfor output in llm.generate(["a"]):\n'
    asked = "    assert output.metrics\n"
    read = "    print(output.metrics.arrival_time)\n"
    assert len(find(by_code("VM403"), head + asked)) == 1
    (found,) = find(by_code("VM403"), head + asked + read)
    assert found.span.start == len(head + asked) + len("    print(")


def test_what_a_docstring_shows_trains_nothing() -> None:
    shown = b'"""Call `loss.backward()` first."""\n# optimizer.step() second\n'
    assert not trains(shown)
    assert trains(shown + b"loss.backward()\n")


def test_an_engine_that_answers_requests_gets_a_note_where_others_train() -> None:
    text = (
        "from vllm import AsyncEngineArgs, AsyncLLMEngine\n\n\ndef serve(out):\n"
        '    AsyncLLMEngine.from_engine_args(AsyncEngineArgs("m"))\n'
        "    return out.outputs[0].logprobs\n"
    )
    trained = Use(trains=True, takes_logprobs=True, reads_logprobs=True)
    (served,) = find(by_code("VM701"), text, use=trained)
    assert served.level is Level.NOTE
    (synced,) = find(by_code("VM701"), text, use=replace(trained, syncs_weights=True))
    assert synced.level is Level.WARNING
