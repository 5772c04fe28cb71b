from __future__ import annotations

import pytest

from vllm_migrate.engines.flips import CannotFlipError, flipped
from vllm_migrate.errors import EngineDiedError


class Engine:
    """Keeps settings as a live engine does: some can be changed, others not, and it may be gone."""

    def __init__(self, fixed=(), **settings):
        self.settings = settings
        self.fixed = fixed
        self.gone = False
        self.asked = []

    def flip(self, setting, value, *, slot):
        self.asked.append((setting, value, slot))
        if self.gone:
            raise EngineDiedError("it is not running any more")
        was = self.settings[setting]
        if setting in self.fixed:
            return {"live": False, "was": was, "why": "it is built in"}
        self.settings[setting] = value
        return {"live": True, "was": was, "why": ""}


def test_settings_are_changed_for_a_block_and_put_back_last_one_first():
    engine = Engine(caching=True, head="bfloat16")
    with flipped(engine, {"caching": False, "head": "float32"}, slot="two") as before:
        assert engine.settings == {"caching": False, "head": "float32"}
        assert before == {"caching": True, "head": "bfloat16"}
    assert engine.settings == {"caching": True, "head": "bfloat16"}
    assert engine.asked[2:] == [("head", "bfloat16", "two"), ("caching", True, "two")]


def test_one_that_can_not_be_changed_leaves_the_others_as_they_were():
    engine = Engine(fixed=("head",), caching=True, head="bfloat16")
    with (
        pytest.raises(CannotFlipError, match="head can't be float32 here: it is built in") as refused,
        flipped(engine, {"caching": False, "head": "float32"}),
    ):
        pytest.fail("the block ran")
    assert refused.value.why == "it is built in"
    assert engine.settings == {"caching": True, "head": "bfloat16"}


def test_one_that_has_its_value_already_needs_no_change():
    engine = Engine(fixed=("head",), head="float32")
    with flipped(engine, {"head": "float32"}) as before:
        assert before == {"head": "float32"}
    assert len(engine.asked) == 1


def test_settings_are_put_back_after_an_error():
    engine = Engine(caching=True)
    with pytest.raises(KeyError), flipped(engine, {"caching": False}):
        raise KeyError
    assert engine.settings == {"caching": True}


def test_of_an_engine_that_fails_the_first_error_is_told():
    engine = Engine(caching=True)

    def replay():
        engine.gone = True
        raise EngineDiedError("it gave no answer")

    with pytest.raises(EngineDiedError, match="gave no answer"), flipped(engine, {"caching": False}):
        replay()
