"""How code brings in weights, read off it: modes, resets, and places that disagree."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from packaging.version import Version

from vllm_migrate.audit.code.from_code import read_code
from vllm_migrate.audit.code.sync import sync_settings
from vllm_migrate.audit.code.taken import Fate
from vllm_migrate.audit.sync.ways import parse_way
from vllm_migrate.facts.model import Target
from vllm_migrate.resolve.python import read_python

FIXTURE = Path(__file__).resolve().parents[2] / "fixtures" / "grpo_v0"
TARGET = Target("vllm", Version("0.32.0"))
HEAD = "from vllm import LLM, AsyncLLMEngine, AsyncEngineArgs\n\n"
CLASS = (
    HEAD
    + "class Trainer:\n    def __init__(self):\n        self.llm = LLM('m')\n\n    def sync(self, path):\n"
)
ASYNC = (
    HEAD
    + "async def sync(path):\n    engine = AsyncLLMEngine.from_engine_args(AsyncEngineArgs('m'))\n"
    + "    await engine.pause_generation({pause})\n"
    + "    await engine.collective_rpc('reload_weights', kwargs={{'weights_path': path}})\n"
    + "    await engine.resume_generation()\n"
)


def found(*sources, path="train.py"):
    files = [
        read_python(PurePosixPath(f"{number}/{path}"), source.encode(), target=TARGET)
        for number, source in enumerate(sources)
    ]
    return sync_settings(files)


def way(source):
    (setting,) = found(source)
    assert setting.fate is Fate.TAKEN
    assert str(parse_way(setting.value)) == setting.value
    return setting.value


RELOAD = "        self.llm.collective_rpc('reload_weights', kwargs={'weights_path': path})\n"
RESET = "        self.llm.reset_prefix_cache()\n"
WORKER = (
    "        for name, tensor in path:\n"
    "            self.llm.collective_rpc('update_weight', args=(name, tensor))\n"
)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (CLASS + RELOAD, "reload"),
        (CLASS + RELOAD + RESET, "reload+reset"),
        (CLASS + WORKER, "in-place"),
        (CLASS + "        self.llm.update_weights({'update_info': path})\n" + RESET, "weight-transfer+reset"),
        (CLASS + WORKER + RESET, "in-place+reset"),
        (ASYNC.format(pause="mode='keep', clear_cache=False"), "pause-keep"),
        (ASYNC.format(pause="mode='wait'"), "pause-wait+reset"),
        (ASYNC.format(pause=""), "pause-abort+reset"),
    ],
)
def test_ways(source, expected):
    assert way(source) == expected


def test_nothing_where_no_weights_are_brought_in():
    assert found(HEAD + "llm = LLM('m')\n") == []


def test_ways_that_disagree_are_not_resolved():
    (setting,) = found(CLASS + RELOAD, CLASS + RELOAD + RESET)
    assert (setting.fate, setting.value, setting.option) == (Fate.UNRESOLVED, None, "")
    assert "reload, reload+reset" in setting.note


def test_tests_of_the_project_do_not_count():
    (setting,) = [*found(CLASS + RELOAD), *found(CLASS + RELOAD + RESET, path="tests/test_sync.py")]
    assert setting.value == "reload"


def test_it_reaches_the_audits_options_with_its_place():
    taken = read_code([str(FIXTURE / "rollout.py")], "v1")
    assert taken.options["sync"] == "in-place"
    (setting,) = [one for one in taken.settings if one.part == "sync"]
    assert setting.place.path.name == "rollout.py"
    assert setting.place.line == 67
