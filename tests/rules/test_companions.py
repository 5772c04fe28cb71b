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
