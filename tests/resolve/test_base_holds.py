"""An engine that a base class from elsewhere keeps, told by what the constructor is given for it."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from packaging.version import Version

from vllm_migrate.facts.model import Target
from vllm_migrate.files.located import Certainty
from vllm_migrate.resolve.python import read_python

TEXT = """
from vllm import LLM
from elsewhere import Base

class Generator{bases}:
    def __init__(self, model: {kind}, size: int):
        super().__init__(model)
        {more}

    def ask(self, ids, params):
        return self.{name}.generate(prompt_token_ids=ids, sampling_params=params)
"""


@pytest.mark.parametrize(
    ("bases", "kind", "name", "more", "found"),
    [
        ("(Base)", "LLM", "_model", "pass", True),
        ("(Base)", "LLM", "model", "pass", True),
        ("(Base)", "Model", "_model", "pass", False),
        ("(Base)", "LLM", "worker", "pass", False),
        ("(Base)", "LLM", "_model", "self._model = make(size)", False),
        ("", "LLM", "_model", "pass", False),
    ],
)
def test_the_base_keeps_the_engine(bases: str, kind: str, name: str, more: str, *, found: bool) -> None:
    source = TEXT.format(bases=bases, kind=kind, name=name, more=more).encode()
    facts = read_python(PurePosixPath("a.py"), source, None, Target("vllm", Version("0.32.0")))
    calls = [call for call in facts.calls if call.target == "vllm.LLM.generate"]
    assert bool(calls) is found
    assert all(call.certainty is Certainty.LIKELY for call in calls)
