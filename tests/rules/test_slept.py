"""An engine that sleeps before its weights change has an empty prefix cache."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest
from rule_support import by_code, context, read

from vllm_migrate.edits.model import Level
from vllm_migrate.files.discover import SourceFile
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.use import Use
from vllm_migrate.rules.mentions import Mentions

if TYPE_CHECKING:
    from pathlib import Path

BUILD = (
    "from vllm import LLM\n\n\nclass Rollout:\n    def __init__(self):\n"
    "        self.llm = LLM('m', enable_prefix_caching=True, enable_sleep_mode={})\n"
)
UPDATE = (
    "\n    def push(self, weights):\n        self.llm.collective_rpc('update_weights', args=(weights,))\n"
)
RL = Use(trains=True, syncs_weights=True)


def levels(tmp_path: Path, code: str, text: str, other: str) -> list[Level]:
    files = []
    for name, source in (("rollout.py", text), ("sync.py", other)):
        (tmp_path / name).write_text(source)
        files.append(SourceFile(tmp_path / name, PurePosixPath(name), FileKind.PYTHON))
    around = replace(context(RL), mentions=Mentions(tuple(files)))
    return [f.level for f in by_code(code).find(read(text.encode(), "rollout.py", "0.32.0"), around)]


@pytest.mark.parametrize(
    ("able", "body", "expected"),
    [
        ("True", "self.llm.wake_up()\n    model.load_weights(w)", []),
        ("True", "model.load_weights(w)\n    self.llm.wake_up()", [Level.NOTE]),  # too late
        ("True", "self.llm.wake_up()\n    self.evaluate()\n    model.load_weights(w)", [Level.NOTE]),
        ("True", "self.wake_up()\n    model.load_weights(w)", [Level.NOTE]),
        ("True", "model.load_weights(w)", [Level.WARNING]),  # nobody wakes it
        ("False", "self.llm.wake_up()\n    model.load_weights(w)", [Level.WARNING]),
        ("args.sleep", "self.llm.wake_up()\n    model.load_weights(w)", [Level.WARNING]),
    ],
)
def test_a_cache_that_sleep_empties(tmp_path: Path, able: str, body: str, expected: list[Level]) -> None:
    other = f"def sync(self, model, w):\n    {body}\n"
    assert levels(tmp_path, "VM702", BUILD.format(able), other) == expected


@pytest.mark.parametrize(
    ("able", "other", "expected"),
    [
        ("True", "llm.wake_up()\n", Level.NOTE),
        ("True", "", Level.WARNING),
        ("False", "llm.wake_up()\n", Level.WARNING),
    ],
)
def test_a_reset_that_sleep_may_stand_for(tmp_path: Path, able: str, other: str, expected: Level) -> None:
    assert levels(tmp_path, "VM706", BUILD.format(able) + UPDATE, other) == [expected]


def test_a_test_draws_no_rollouts() -> None:
    text = BUILD.format("False") + UPDATE
    for name, said in (("rollout.py", True), ("tests/test_rollout.py", False)):
        facts = read(text.encode(), name, "0.32.0")
        assert bool(list(by_code("VM706").find(facts, context(RL)))) is said
