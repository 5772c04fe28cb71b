from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from vllm_migrate.errors import InputError
from vllm_migrate.files.toml import read_toml

PROJECT = b"""\
[project]
name = "x"
dependencies = [
  "vllm[audio]>=0.8,<0.9 ; python_version > '3.9'",  # "trl==1"
  'trl==0.14.0',
]
description = "vllm==9"

[project.optional-dependencies]
old = ["vllm == 0.8.5"]

[dependency-groups]
dev = ["pytest", {include-group = "vllm==3"}]

[tool.uv]
override-dependencies = ["vllm==0.8.4"]
sources = ["vllm==7"]

[tool.poetry.dependencies]
python = "^3.10"
vllm = "^0.8.5"
trl = {version = "~1.2", extras = ["vllm"]}
verl = {git = "https://example.org/verl.git"}
"""


def test_pins_from_every_table() -> None:
    facts = read_toml(PurePosixPath("pyproject.toml"), PROJECT)
    assert [
        (p.package, p.specifier, facts.text(p.specifier_span)) for p in facts.pins if p.package != "pytest"
    ] == [
        ("vllm", ">=0.8,<0.9", ">=0.8,<0.9"),
        ("trl", "==0.14.0", "==0.14.0"),
        ("vllm", "== 0.8.5", "== 0.8.5"),
        ("vllm", "==0.8.4", "==0.8.4"),
        ("vllm", ">=0.8.5,<0.9", "^0.8.5"),
        ("trl", ">=1.2,<1.3", "~1.2"),
    ]
    assert facts.pins[0].extras == ("audio",)
    assert facts.text(facts.pins[0].span) == "vllm[audio]>=0.8,<0.9"


@pytest.mark.parametrize(
    ("written", "specifier"),
    [
        ("^0.8.5", ">=0.8.5,<0.9"), ("^1.2.3", ">=1.2.3,<2"), ("^0.0.3", ">=0.0.3,<0.0.4"),
        ("~1.2.3", ">=1.2.3,<1.3"), ("~1", ">=1,<2"), ("0.8.5", "==0.8.5"), (">=0.8", ">=0.8"), ("*", ""),
    ],
)  # fmt: skip
def test_poetry_s_own_operators(written: str, specifier: str) -> None:
    source = f'[tool.poetry.dependencies]\nvllm = "{written}"\n'.encode()
    assert read_toml(PurePosixPath("pyproject.toml"), source).pins[0].specifier == specifier


def test_what_is_no_toml_is_refused() -> None:
    for source in (b"[project\nvllm", b'x = "\xff"'):
        with pytest.raises(InputError):
            read_toml(PurePosixPath("pyproject.toml"), source)
