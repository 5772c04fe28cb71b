"""The most likely tokens of some rollouts survive a trace."""

from __future__ import annotations

import math

import pytest

from vllm_migrate.errors import InputError
from vllm_migrate.trace.model import Prompt, Provenance, Rollout, Trace
from vllm_migrate.trace.parquet import read_trace, write_trace

MADE = Provenance("v0", "0.8.5", "e", "v0", {}, {}, {}, "hash", "tool", "2026-01-01T00:00:00+00:00")
LISTED = {"top_ids": ((5, 6), (7, 8)), "top_logprobs": ((-0.1, -math.inf), (-0.2, -3.0))}


def trace(**listed):
    rollouts = (Rollout(0, 0, (5, 7), (-0.1, -0.2), **listed), Rollout(0, 1, (5,), (-0.1,)))
    return Trace(MADE, (Prompt(0, "p", (1,)),), rollouts)


def test_they_come_back_where_they_were(tmp_path):
    write_trace(trace(**LISTED), tmp_path / "t.parquet")
    first, second = read_trace(tmp_path / "t.parquet").rollouts
    assert (first.top_ids, first.top_logprobs) == (LISTED["top_ids"], LISTED["top_logprobs"])
    assert second.top_ids == ()


def test_lists_for_some_positions_only_are_refused(tmp_path):
    write_trace(trace(top_ids=((5, 6),), top_logprobs=((-0.1, -0.2),)), tmp_path / "t.parquet")
    with pytest.raises(InputError, match="some positions only"):
        read_trace(tmp_path / "t.parquet")
