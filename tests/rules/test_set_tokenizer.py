"""What becomes of `LLM.set_tokenizer`, by where the tokenizer comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vllm_migrate.config import Config
from vllm_migrate.edits.model import AddArgument, RemoveStatement, Safety
from vllm_migrate.rules.scan import scan

if TYPE_CHECKING:
    from pathlib import Path

    from vllm_migrate.edits.model import Finding

HEAD = "from transformers import AutoTokenizer\nfrom vllm import LLM\n\n\n"


def told(folder: Path, body: str) -> Finding:
    """What VM410 says of a module."""
    (folder / "engine.py").write_text(HEAD + body)
    (found,) = (f for f in scan([folder], Config(target="0.32.0")).findings if f.code == "VM410")
    return found


def function(*lines: str, parameters: str = "path") -> str:
    """A function that builds an engine from `path`."""
    return "".join([f"def build({parameters}):\n", *(f"    {line}\n" for line in lines)])


@pytest.mark.parametrize(
    "body",
    [
        function("llm = LLM(path)", "llm.set_tokenizer(AutoTokenizer.from_pretrained(path))"),
        function("llm = LLM(model=path)", "t = AutoTokenizer.from_pretrained(path)", "llm.set_tokenizer(t)"),
        function(
            "t = AutoTokenizer.from_pretrained(path, trust_remote_code=True)",
            "t.pad_token = t.eos_token",
            "llm = LLM(path)",
            "llm.set_tokenizer(t)",
        ),
        function("llm = LLM(m, tokenizer=path)", "llm.set_tokenizer(AutoTokenizer.from_pretrained(path))"),
        'llm = LLM("m")\nllm.set_tokenizer(AutoTokenizer.from_pretrained("m"))\n',
        (
            "class Engine:\n    def __init__(self, path):\n        self.path = path\n"
            "        self.llm = LLM(self.path)\n\n    def reset(self):\n"
            "        self.llm.set_tokenizer(AutoTokenizer.from_pretrained(self.path))\n"
        ),
    ],
)
def test_call_goes_where_the_tokenizer_is_the_models_own(tmp_path: Path, body: str) -> None:
    found = told(tmp_path, body)
    assert found.safety is Safety.UNSAFE
    assert [type(edit) for edit in found.edits] == [RemoveStatement]


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (function("llm = LLM(path)", 'llm.set_tokenizer(AutoTokenizer.from_pretrained("t"))'), '"t"'),
        (
            function(
                "base = path + '-base'",
                "llm = LLM(path)",
                "llm.set_tokenizer(AutoTokenizer.from_pretrained(base))",
            ),
            "base",
        ),
    ],
)
def test_engine_is_built_with_anothers(tmp_path: Path, body: str, value: str) -> None:
    found = told(tmp_path, body)
    (added,) = (edit for edit in found.edits if isinstance(edit, AddArgument))
    assert (added.name, added.value) == ("tokenizer", value)


@pytest.mark.parametrize(
    "body",
    [
        function("llm = LLM(path)", "llm.set_tokenizer(t)", parameters="path, t"),
        function(
            "llm = LLM(path)",
            "t = AutoTokenizer.from_pretrained(path)",
            't.add_tokens(["<think>"])',
            "llm.set_tokenizer(t)",
        ),
        function(
            "llm = LLM(path)",
            "t = AutoTokenizer.from_pretrained(path)",
            't.chat_template = "{{ messages }}"',
            "llm.set_tokenizer(t)",
        ),
        function(
            "llm = LLM(path)",
            "llm.set_tokenizer(AutoTokenizer.from_pretrained(path, revision='old'))",
        ),
        function(
            "llm = LLM(path)",
            "base = path + '-base'",
            "llm.set_tokenizer(AutoTokenizer.from_pretrained(base))",
        ),
        function(
            "llm = LLM(path, **kw)",
            'llm.set_tokenizer(AutoTokenizer.from_pretrained("t"))',
            parameters="path, **kw",
        ),
        function(
            'llm = LLM(path, tokenizer="other")', "llm.set_tokenizer(AutoTokenizer.from_pretrained(path))"
        ),
        function("llm = LLM(path)", "x = llm.set_tokenizer(AutoTokenizer.from_pretrained(path))"),
    ],
)
def test_what_is_not_seen_is_left_to_a_person(tmp_path: Path, body: str) -> None:
    found = told(tmp_path, body)
    assert (found.safety, found.edits) == (Safety.MANUAL, ())
    assert "tokenizer=" in found.advice
