from __future__ import annotations

from vllm_migrate.did_you_mean import did_you_mean


def test_the_nearest_word_is_named():
    assert did_you_mean("tagret", ["source", "target"]) == "did you mean 'target'?"


def test_where_none_is_near_something_else_is_said():
    assert not did_you_mean("xyz", ["source", "target"])
    assert did_you_mean("xyz", ["source"], otherwise="they are source") == "they are source"
