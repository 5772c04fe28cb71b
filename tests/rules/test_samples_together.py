"""VM309: who drives an engine and what they take of it decides, whichever file that stands in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vllm_migrate.config import Config
from vllm_migrate.rules.scan import scan

if TYPE_CHECKING:
    from pathlib import Path

PARAMS = (
    "from vllm import SamplingParams\n\noptions = dict(n=2)\nparams = SamplingParams(logprobs=0, **options)\n"
)
STEPS = (
    "from vllm import LLMEngine\n\n\ndef run(args):\n    engine = LLMEngine.from_engine_args(args)\n"
    "    for output in engine.step():\n"
)
ASYNC = (
    "from vllm import AsyncLLMEngine\n\n\nasync def ask(args, prompt, params):\n"
    "    engine = AsyncLLMEngine.from_engine_args(args)\n    last = None\n"
    '    async for output in engine.generate(prompt, params, "0"):\n'
)
LAST = f"{ASYNC}        last = output\n    return last\n"
WATCHING = ASYNC + (
    "        if await args.is_disconnected():\n            return None\n"
    "        last = output\n    return last\n"
)
DRAINED = (
    f"{ASYNC}        yield output\n\n\nasync def answer(args, prompt, params):\n"
    "    async for output in ask(args, prompt, params):\n        pass\n    return output\n"
)
STREAM = f"{ASYNC}        yield output\n"
FINISHED = f"{STEPS}        if output.finished:\n            yield output\n"


def told(folder: Path, engine: str, params: str = PARAMS) -> list[bool]:
    """Whether what VM309 finds in a project has edits."""
    (folder / "engine.py").write_text(engine)
    (folder / "params.py").write_text(params)
    return [bool(f.edits) for f in scan([folder], Config(target="0.32.0")).findings if f.code == "VM309"]


@pytest.mark.parametrize("engine", [FINISHED, LAST, WATCHING, DRAINED])
def test_samples_of_who_only_takes_what_is_finished(tmp_path: Path, engine: str) -> None:
    assert told(tmp_path, engine) == [True]


@pytest.mark.parametrize(
    "engine",
    [STREAM, f"{STEPS}        yield output\n", f"{ASYNC}        print(output)\n        last = output\n"],
)
def test_who_streams_gets_what_is_streamed(tmp_path: Path, engine: str) -> None:
    assert told(tmp_path, engine) == []


@pytest.mark.parametrize("given", ["n=1", "n=None", "n=2, output_kind=kind", "temperature=1.0"])
def test_one_sample_and_a_chosen_kind_are_fine(tmp_path: Path, given: str) -> None:
    params = f"from vllm import SamplingParams\n\nparams = SamplingParams({given})\n"
    assert told(tmp_path, FINISHED, params) == []


@pytest.mark.parametrize(
    "draw",
    [
        "def draw(engine: LLMEngine, prompts):\n    return engine.generate(prompts, params)\n",
        "def draw(model, ids):\n    return model.generate(ids, do_sample=False)\n",
        'def draw(prompts):\n    return LLM("m").chat(prompts, params)\n',
        'def draw(prompts):\n    return LLM("m").put(prompts, params)\n',  # one of the project's own
    ],
)
def test_who_draws_by_generate_gets_all_samples(tmp_path: Path, draw: str) -> None:
    params = "from vllm import LLM, LLMEngine, SamplingParams\n\nparams = SamplingParams(n=2)\n\n\n"
    assert told(tmp_path, FINISHED, params + draw) == []


def test_parameters_of_an_actor_that_drives_an_engine(tmp_path: Path) -> None:
    draw = "\n\ndef draw(actor, prompts):\n    return actor.generate.remote(prompts, params)\n"
    assert told(tmp_path, FINISHED, PARAMS + draw) == [True]


SERVER = (
    "from vllm import AsyncLLMEngine, SamplingParams\n\n\n"
    "async def serve(args, request, reply):\n"
    "    engine = AsyncLLMEngine.from_engine_args(args)\n"
    '    stream = engine.generate(request.text, SamplingParams(n=request.n), "0")\n\n'
    "    async def pieces():\n        async for output in stream:\n{body}\n"
    "    if request.stream:\n        return reply(pieces())\n    last = None\n"
    "    async for output in stream:\n        last = output\n    return last\n"
)


@pytest.mark.parametrize(
    ("body", "edited"),
    [
        ("            yield output.outputs[0].text\n", False),
        ("            for one in output.outputs:\n                yield one.text\n", False),
        ("            await request.send(output.outputs)\n", False),
        ("            if not output.finished:\n                yield output.outputs\n", False),
        ("            if output.finished:\n                yield output.outputs\n", True),
        ("            if not output.finished:\n                continue\n            yield output\n", True),
        ("            if output.finished:\n                pass\n            yield output\n", False),
        ("            request.seen = output\n", True),
    ],
)
def test_parameters_of_requests_that_may_stream_are_for_a_person(
    tmp_path: Path, body: str, *, edited: bool
) -> None:
    engine = SERVER.replace("{body}", body)
    assert told(tmp_path, engine, "") == [edited]


def test_parameters_that_may_reach_who_streams_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(STREAM)
    assert told(tmp_path, LAST) == [False]


def test_parameters_made_where_the_last_is_kept(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(STREAM)
    own = LAST.replace("import AsyncLLMEngine", "import AsyncLLMEngine, SamplingParams").replace(
        "generate(prompt, params,", "generate(prompt, SamplingParams(n=2),"
    )
    assert told(tmp_path, own, "") == [True]


def test_who_yields_something_else_streams_no_outputs(tmp_path: Path) -> None:
    lines = "\n\nasync def all_of(pairs):\n    async for pair in pairs():\n        yield pair\n"
    assert told(tmp_path, LAST + lines) == [True]
