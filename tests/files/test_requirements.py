from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from vllm_migrate.files.kinds import FileKind, kind_of
from vllm_migrate.files.requirements import read_requirements


@pytest.mark.parametrize(
    ("line", "package", "specifier", "whole"),
    [
        ("vllm==0.8.5", "vllm", "==0.8.5", "vllm==0.8.5"),
        ("  VLLM >= 0.8 , <0.9  # because", "vllm", ">= 0.8 , <0.9", "VLLM >= 0.8 , <0.9"),
        ("vllm[audio,video]~=0.8.5 ; python_version < '4'", "vllm", "~=0.8.5", "vllm[audio,video]~=0.8.5"),
        ("vllm (>=0.8)", "vllm", ">=0.8", "vllm (>=0.8)"),
        ("vllm", "vllm", "", "vllm"),
        ("vllm @ https://example.org/vllm.whl", "vllm", "", "vllm"),
        ("vllm==0.8.5 --hash=sha256:00", "vllm", "==0.8.5", "vllm==0.8.5"),
        ("Flash_Attn==2.7.4.post1", "flash-attn", "==2.7.4.post1", "Flash_Attn==2.7.4.post1"),
        ("vllm==0.8.5+cu121", "vllm", "==0.8.5+cu121", "vllm==0.8.5+cu121"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_one_pin(line: str, package: str, specifier: str, whole: str, end: str) -> None:
    facts = read_requirements(PurePosixPath("requirements.txt"), (line + end).encode())
    (pin,) = facts.pins
    assert (pin.package, pin.specifier) == (package, specifier)
    assert facts.text(pin.specifier_span) == specifier
    assert facts.text(pin.span) == whole


def test_lines_that_hold_none() -> None:
    source = (
        b"\xef\xbb\xbf# vllm==1\n-r vllm==1.txt\n--find-links x\n./vllm\ngit+https://example.org/vllm\n"
        b"\nvllm==1 \\\n  --hash=x\n"
    )
    assert [p.specifier for p in read_requirements(PurePosixPath("requirements.txt"), source).pins] == ["==1"]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("requirements.txt", FileKind.REQUIREMENTS),
        ("requirements-dev.txt", FileKind.REQUIREMENTS),
        ("requirements_gpu.txt", FileKind.REQUIREMENTS),
        ("dev-requirements.txt", FileKind.REQUIREMENTS),
        ("requirements/gpu.txt", FileKind.REQUIREMENTS),
        ("requirements.in", FileKind.REQUIREMENTS),
        ("constraints.txt", FileKind.REQUIREMENTS),
        ("notes.txt", None),
        ("pyproject.toml", FileKind.TOML),
        ("other.toml", FileKind.TOML),
        ("Pipfile", FileKind.TOML),
        ("pylock.toml", None),
        ("vllm-migrate.toml", None),
        ("job.slurm", FileKind.SHELL),
        ("setup.py", FileKind.PYTHON),
        ("a.yml", FileKind.YAML),
    ],
)
def test_kinds_by_name(path: str, kind: FileKind | None) -> None:
    assert kind_of(PurePosixPath(path), b"") == kind


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"#!/bin/sh\n", FileKind.SHELL),
        (b"#!/usr/bin/env bash\n", FileKind.SHELL),
        (b"#! /usr/bin/env -S bash -e\n", FileKind.SHELL),
        (b"#!/usr/bin/env python3\n", FileKind.PYTHON),
        (b"#!/usr/bin/perl\n", None),
        (b"", None),
    ],
)
def test_kinds_by_first_line(head: bytes, kind: FileKind | None) -> None:
    assert kind_of(PurePosixPath("launch"), head) == kind
