"""VM704 speaks where a request can leave its sampling parameters to the engine, and only there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest
from rule_support import by_code, context, find, read

from vllm_migrate.edits.model import Level
from vllm_migrate.files.discover import SourceFile
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.use import Use
from vllm_migrate.rules.mentions import Mentions

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "from vllm import LLM, AsyncEngineArgs, AsyncLLMEngine, EngineArgs, LLMEngine, SamplingParams\n\n\n"
ACTOR = (
    "import ray\nimport vllm\n\n\n@ray.remote\nclass Actor:\n    def __init__(self, **kwargs):\n"
    "        self.llm = vllm.LLM(**kwargs)\n\n    def generate(self, *args, **kwargs):\n"
    "        return self.llm.generate(*args, **kwargs)\n"
)


def levels(text: str) -> list[Level]:
    return [finding.level for finding in find(by_code("VM704"), text, source="0.7.3")]


@pytest.mark.parametrize(
    "request_",
    [
        "llm.generate(prompts)",
        "llm.generate(prompts, None)",
        "llm.generate(prompts, sampling_params=None, use_tqdm=False)",
        "llm.chat(prompts)",
        "llm.generate(prompts, llm.get_default_sampling_params())",
    ],
)
def test_a_request_without_parameters_takes_the_engines(request_: str) -> None:
    assert levels(f"{HEAD}def f(prompts):\n    llm = LLM('m')\n    return {request_}\n") == [Level.WARNING]


@pytest.mark.parametrize(
    "request_",
    [
        "llm.generate(prompts, SamplingParams(n=2))",
        "llm.generate(prompts, sampling_params=params)",
        "llm.chat(prompts, params)",
        "llm.beam_search(prompts, params)",
        "llm.encode(prompts)",
        "llm.llm_engine.model_executor.save_sharded_state(path=prompts)",
    ],
)
def test_a_request_with_its_own_is_left_alone(request_: str) -> None:
    assert levels(f"{HEAD}def f(prompts, params):\n    llm = LLM('m')\n    return {request_}\n") == []


def test_a_parameter_that_may_be_none_is_a_note() -> None:
    text = HEAD + "class A:\n    def __init__(self):\n        self.llm = LLM('m')\n\n"
    method = "    def run(self, prompts, params{}):\n        return self.llm.generate(prompts, params)\n"
    assert levels(text + method.format("=None")) == [Level.NOTE]
    assert levels(text + method.format("")) == []
    choice = (
        "    def run(self, p, greedy):\n        self.llm.generate(p, SamplingParams() if greedy else None)\n"
    )
    assert levels(text + choice) == [Level.NOTE]


def test_an_engine_out_of_sight_is_a_note() -> None:
    build = "def build():\n    return LLM('m')\n"
    assert levels(f"from vllm import LLM\n\n\n{build}") == [Level.NOTE]
    assert levels(HEAD + build) == []  # who makes sampling parameters gives them to it


@pytest.mark.parametrize(
    "text",
    [
        "from vllm import LLM\n\n\ndef f(p):\n    LLM('m', override_generation_config=c).generate(p)\n",
        "import vllm.v1.engine\nfrom vllm import LLM\n\n\ndef f(p):\n    return LLM('m').generate(p)\n",
    ],
)
def test_who_knows_of_the_new_default_is_left_alone(text: str) -> None:
    assert levels(text) == []
    assert levels(text.replace("vllm.v1.engine", "vllm.v0").replace("override_generation_config=c", "seed=1"))


def test_arguments_of_an_engine_matter_where_vllms_server_answers() -> None:
    build = "args = AsyncEngineArgs('m')\nengine = AsyncLLMEngine.from_engine_args(args)\n"
    assert levels(HEAD + build) == []  # AsyncLLMEngine.generate() has to be given parameters
    assert levels(f"{HEAD}engine = LLMEngine.from_engine_args(EngineArgs('m'))\n") == []
    server = "from vllm.entrypoints.openai.api_server import build_app\n"
    assert levels(server + HEAD + build) == [Level.WARNING]


def test_what_hands_on_its_parameters_is_judged_by_its_callers(tmp_path: Path) -> None:
    other = tmp_path / "rollouts.py"
    rule = by_code("VM704")
    facts = read(ACTOR.encode(), "actor.py", "0.32.0")
    file = SourceFile(other, facts.path.with_name("rollouts.py"), FileKind.PYTHON)
    asked = replace(context(facts.use, source="0.7.3"), mentions=Mentions((file,)))
    other.write_text("def draw(llm, prompts, params):\n    return llm.generate.remote(prompts, params)\n")
    assert list(rule.find(facts, asked)) == []
    other.write_text("def draw(llm, prompts):\n    return llm.generate.remote(prompts)\n")
    asked = replace(asked, mentions=Mentions((file,)))
    assert [finding.level for finding in rule.find(facts, asked)] == [Level.NOTE]


def test_an_engine_built_by_an_actor_is_judged_where_it_is_built() -> None:
    trial = '\n\nif __name__ == "__main__":\n    llm = Actor.remote(seed=1)\n    llm.generate.remote("a")\n'
    found = find(by_code("VM704"), ACTOR + trial, source="0.7.3")
    assert [finding.level for finding in found] == [Level.NOTE, Level.WARNING]


def test_who_makes_the_requests_of_arguments_is_no_server(tmp_path: Path) -> None:
    server = tmp_path / "server.py"
    server.write_text("from vllm.entrypoints.openai.api_server import build_app\n")
    files = (SourceFile(server, PurePosixPath("server.py"), FileKind.PYTHON),)
    around = replace(context(Use(), source="0.7.3"), mentions=Mentions(files))
    build = "def build():\n    return AsyncLLMEngine.from_engine_args(AsyncEngineArgs('m'))\n"
    for head, said in ((HEAD, False), (HEAD.replace(", SamplingParams", ""), True)):
        facts = read((head + build).encode(), "build.py", "0.32.0")
        assert bool(list(by_code("VM704").find(facts, around))) is said
