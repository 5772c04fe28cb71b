"""VM508 says of an engine that can't sleep only that; VM504, where a patched world size is still needed."""

from __future__ import annotations

import pytest
from rule_support import by_code, find

from vllm_migrate.edits.model import Level

JUDGE = (
    "from vllm import LLM\n\n\nclass Judge:\n    def __init__(self, **settings):\n"
    "        self.llm = LLM({arguments})\n        self.llm.sleep({level})\n"
)


@pytest.mark.parametrize(
    ("arguments", "sleeps"),
    [
        ("'m'", False),
        ("'m', enable_sleep_mode=False", False),
        ("'m', enable_sleep_mode=True", True),
        ("'m', enable_sleep_mode=settings['sleep']", True),
        ("'m', **settings", True),
    ],
)
def test_an_engine_without_sleep_mode_throws_nothing_away(arguments: str, *, sleeps: bool) -> None:
    (found,) = find(by_code("VM508"), JUDGE.format(arguments=arguments, level="level=2"))
    assert ("throws the weights away" in found.message) is sleeps
    assert ("frees no memory" in found.message) is not sleeps
    assert found.level is (Level.WARNING if sleeps else Level.NOTE)
    assert "level=1" in found.advice


def test_level_one_needs_the_mode_alone() -> None:
    (found,) = find(by_code("VM508"), JUDGE.format(arguments="'m'", level=""))
    assert found.advice == "enable_sleep_mode=True where it is built"


def test_a_patched_world_is_no_warning() -> None:
    text = (
        "from unittest.mock import patch\n\nfrom vllm import LLM\n\n\ndef build():\n"
        "    with patch('torch.distributed.get_world_size', return_value=1):\n        return LLM('m')\n"
    )
    (found,) = find(by_code("VM504"), text)
    assert found.level is Level.NOTE
    assert "external_launcher" not in found.advice
