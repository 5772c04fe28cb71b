"""Packages that are pinned beside vLLM: what the target requires of them is said, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vllm_migrate.config import Config
from vllm_migrate.rules.scan import scan

if TYPE_CHECKING:
    from pathlib import Path


def _notes(folder: Path, pins: str, target: str = "0.32.0") -> dict[str, str]:
    (folder / "requirements.txt").write_text(f"vllm==0.8.5\n{pins}\n", encoding="utf-8")
    found = scan([folder], Config(target=target)).findings
    return {f.message.split(" is pinned")[0]: f.message for f in found if "beside vLLM" in f.message}


@pytest.mark.parametrize(
    ("pin", "says"),
    [
        ("torch==2.6.0", "asks for torch==2.13.0"),
        ("torch==2.6.0+cu124", "asks for torch==2.13.0"),
        ("transformers==4.51.3", "asks for transformers>=5.16.1,<5.20.0"),
        ("ray==2.40.0", "doesn't require it"),
        ("flash-attn==2.7.4.post1", "asks for torch==2.13.0, which it has to be compiled for"),
        ("flash_attn==2.7.4.post1", "asks for torch==2.13.0, which it has to be compiled for"),
    ],
)
def test_what_the_target_requires_is_said(tmp_path: Path, pin: str, says: str) -> None:
    [message] = _notes(tmp_path, pin).values()
    assert says in message
    assert "old vLLM" not in message


@pytest.mark.parametrize("pin", ["transformers==5.17.0", "torch==2.13.0", "torch==2.13.0+cu130", "ray>=2.9"])
def test_what_the_target_allows_is_left_alone(tmp_path: Path, pin: str) -> None:
    assert not _notes(tmp_path, pin)


def test_of_a_release_whose_requirements_are_not_known_none_is_claimed(tmp_path: Path) -> None:
    [message] = _notes(tmp_path, "ray==2.40.0", target="0.11.1").values()
    assert message.endswith("vllm 0.11.1 may ask for another")


_PYPROJECT = """\
[build-system]
requires = ["setuptools", "torch==2.1.0"]

[project]
dependencies = [
    "ray[default]>=2.47.0",
    "torch==2.5.1",
]

[project.optional-dependencies]
serve = [
    "transformers==4.48.3",
    "sglang[all]==0.4.4",
    "vllm==0.7.1",
]
embodied = [
    "transformers==4.40.1",
    "xformers==0.0.28",
]
"""


@pytest.mark.parametrize(
    ("file_name", "text", "beside"),
    [
        ("pyproject.toml", _PYPROJECT, ["torch==2.5.1", "transformers==4.48.3"]),
        (
            "setup.sh",
            (
                "conda create -n train python=3.10\nconda activate train\npip install torch==2.1.0\n"
                "conda deactivate\nconda activate serve\npip install torch==2.5.1\npip install vllm==0.7.1\n"
            ),
            ["torch==2.5.1"],
        ),
        (
            "pyproject.toml",
            f"{_PYPROJECT}\n[tool.uv]\npackage = true\n",
            ["torch==2.5.1", "transformers==4.48.3", "transformers==4.40.1", "xformers==0.0.28"],
        ),
        (
            "pyproject.toml",
            f'{_PYPROJECT}\n[tool.uv]\nconflicts = [[{{ extra = "serve" }}, {{ extra = "embodied" }}]]\n',
            ["torch==2.5.1", "transformers==4.48.3"],
        ),
        ("setup.sh", "pip install torch==2.5.1\npip install vllm==0.7.1\n", ["torch==2.5.1"]),
        (
            "pyproject.toml",
            (
                '[tool.poetry.dependencies]\ntorch = "2.5.1"\n\n'
                '[tool.poetry.group.serve.dependencies]\nvllm = "0.7.1"\n\n'
                '[tool.poetry.group.old.dependencies]\ntransformers = "4.40.1"\n'
            ),
            ["torch==2.5.1", "transformers==4.40.1"],
        ),
    ],
)
def test_what_is_installed_apart_is_not_beside_it(
    tmp_path: Path, file_name: str, text: str, beside: list[str]
) -> None:
    (tmp_path / file_name).write_text(text, encoding="utf-8")
    found = scan([tmp_path], Config(target="0.32.0")).findings
    assert [f.message.split(" is pinned")[0] for f in found if "beside vLLM" in f.message] == beside


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("from trl import SFTConfig, SFTTrainer\n\ntrainer = SFTTrainer(args=SFTConfig())\n", False),
        ("from trl import GRPOConfig\n\nconfig = GRPOConfig(use_vllm=True)\n", True),
    ],
)
def test_trl_is_told_of_only_where_it_generates_by_vllm(tmp_path: Path, code: str, said: bool) -> None:
    (tmp_path / "requirements.txt").write_text("vllm==0.9.1\ntrl==0.18.1\n", encoding="utf-8")
    (tmp_path / "train.py").write_text(code, encoding="utf-8")
    found = scan([tmp_path], Config(target="0.32.0")).findings
    assert any(f.message.startswith("trl==0.18.1 excludes") for f in found) is said
