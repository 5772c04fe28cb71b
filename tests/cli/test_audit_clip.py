from __future__ import annotations

import pytest

from vllm_migrate.cli.audit_code import FromCode
from vllm_migrate.errors import UsageError


def bounds(code, *arguments):
    found = code.clip(*arguments)
    return found.objective, found.low, found.high


def test_the_command_line_alone():
    assert bounds(FromCode(), 0.2, None) == ("ppo", 0.2, 0.2)
    assert bounds(FromCode(has_range=True), 0.1, 0.3) == ("ppo", 0.1, 0.3)
    assert bounds(FromCode(), 0.2, None, "gspo") == ("gspo", 3e-4, 4e-4)
    assert bounds(FromCode(has_range=True), 0.1, None, "gspo") == ("gspo", 0.1, 0.1)


def test_the_code_where_no_option_was_given():
    code = FromCode(options={"objective": "cispo", "clip_range_high": 4.0})
    assert bounds(code, 0.2, None) == ("cispo", 1.0, 4.0)
    assert bounds(FromCode(options={"clip_range": 0.3}), 0.2, None) == ("ppo", 0.3, 0.3)
    assert bounds(FromCode(options={"clip_range": 0.3}), 0.2, None, "grpo") == ("grpo", 0.3, 0.3)


def test_a_range_that_can_not_be_is_refused():
    with pytest.raises(UsageError):
        FromCode().clip(0.2, None, "nonsense")
