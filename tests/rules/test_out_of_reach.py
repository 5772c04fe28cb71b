"""What VM501 says of walks to a model's parameters, and of engines that aren't vLLM's."""

from __future__ import annotations

import pytest
from rule_support import by_code, find

from vllm_migrate.edits.model import Level

WALK = "llm.llm_engine.model_executor.driver_worker.model_runner.model"
OWN = (
    "class LLMEngine{bases}:\n    def __init__(self, executor_class, llm):\n"
    "        self.model_executor = {value}\n\n"
    "    def blocks(self):\n        return self.model_executor.determine_num_available_blocks()\n"
)


@pytest.mark.parametrize("method", ["named_parameters", "parameters", "modules"])
def test_a_generator_is_not_sent_back(method: str) -> None:
    text = (
        "from vllm import LLM\n\n\ndef freeze():\n    llm = LLM('m')\n"
        f"    for one in {WALK}.{method}():\n        print(one)\n"
    )
    (found,) = find(by_code("VM501"), text)
    assert "a generator can't be sent back" in found.advice
    assert "lambda" not in found.advice


def test_a_parameter_is_changed_where_it_is() -> None:
    text = f"from vllm import LLM\n\n\ndef load(llm: LLM, new):\n    {WALK}.get_parameter('a').copy_(new)\n"
    (found,) = find(by_code("VM501"), text)
    assert "what comes back is a copy" in found.advice
    assert "the walk works as it is" in found.advice


@pytest.mark.parametrize("kept", ["", 'os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"\n'])
def test_an_engine_of_v1_has_no_driver_worker_itself(kept: str) -> None:
    text = (
        f"import os\n\n{kept}from vllm import LLM\n\n\ndef head(llm: LLM):\n"
        "    return llm.llm_engine.driver_worker.model_runner.model.lm_head\n"
    )
    (found,) = find(by_code("VM501"), text)
    assert found.level is Level.ERROR
    assert "as it is" not in found.advice
    assert "works as llm.llm_engine.model_executor.driver_worker.model_runner.model.lm_head" in found.advice
    assert ("works on no V1 engine" in found.message) is bool(kept)


def test_what_is_set_is_set_there() -> None:
    text = f"from vllm import LLM\n\n\ndef set_up(llm: LLM, own):\n    {WALK}.sampler = own\n"
    (found,) = find(by_code("VM501"), text)
    assert "that sets self.model_runner.model.sampler itself" in found.advice
    assert "lambda" not in found.advice


@pytest.mark.parametrize(("sent", "said"), [("name, dtype", True), ("name, shape", False)])
def test_what_is_sent_has_to_be_plain(sent: str, *, said: bool) -> None:
    walk = "llm.llm_engine.model_executor.driver_worker"
    text = f"from vllm import LLM\n\n\ndef send(llm: LLM, name, dtype, shape):\n    {walk}.update({sent})\n"
    (found,) = find(by_code("VM501"), text)
    assert f'llm.collective_rpc("update", args=({sent},))' in found.advice
    assert ("has to be plain data" in found.advice) is said


@pytest.mark.parametrize(("size", "edited"), [("1", True), ("4", False), ("gpus", True)])
def test_workers_on_several_gpus_are_elsewhere(size: str, *, edited: bool) -> None:
    text = (
        "from vllm import LLM\n\n\ndef load(weights, gpus):\n"
        f"    llm = LLM('m', tensor_parallel_size={size})\n    {WALK}.load_weights(weights.items())\n"
    )
    (found,) = find(by_code("VM501"), text)
    assert bool(found.edits) is edited
    assert ("the engine has one GPU" in found.precondition) is (size == "gpus")
    assert ("several GPUs" in found.advice) is not edited


def test_a_dictionary_is() -> None:
    text = f"from vllm import LLM\n\n\ndef read():\n    llm = LLM('m')\n    return {WALK}.state_dict()\n"
    (found,) = find(by_code("VM501"), text)
    assert "llm.apply_model(lambda model: model.state_dict())" in found.advice


@pytest.mark.parametrize(
    ("bases", "value", "said"),
    [
        ("", "executor_class(model=1)", False),
        ("(Base)", "executor_class(model=1)", True),
        ("", "llm.llm_engine.model_executor", True),
    ],
)
def test_an_engine_without_a_base_that_makes_its_executor_is_the_projects_own(
    bases: str, value: str, *, said: bool
) -> None:
    assert bool(find(by_code("VM501"), OWN.format(bases=bases, value=value))) is said
