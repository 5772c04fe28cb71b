"""setup.cfg: requirements where setuptools reads them, and nowhere else."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from vllm_migrate.errors import InputError
from vllm_migrate.files.setup_cfg import read_setup_cfg

TEXT = """\
[metadata]
name = x
description = vllm==0.1
[options]
packages = find:
install_requires =
    numpy
    # vllm==0.2
    vllm[audio] >=0.7,<0.9 ; python_version>"3"

    trl==0.15
python_requires = >=3.9
setup-requires: vllm==0.3
[options.extras_require]
serve = vllm==0.8.5
dev =
    pytest
    vllm==0.8.4
[tool:pytest]
addopts = vllm==0.4
"""


@pytest.mark.parametrize("form", ["plain", "crlf", "bom", "cut"])
def test_pins(form: str) -> None:
    source = TEXT.encode()
    if form == "crlf":
        source = source.replace(b"\n", b"\r\n")
    elif form == "bom":
        source = b"\xef\xbb\xbf" + source
    elif form == "cut":
        source = source[: source.index(b"\n[tool:pytest]")]
    facts = read_setup_cfg(PurePosixPath("setup.cfg"), source)
    named = [(pin.package, pin.specifier) for pin in facts.pins if pin.package in ("vllm", "trl")]
    assert named == [
        ("vllm", ">=0.7,<0.9"),
        ("trl", "==0.15"),
        ("vllm", "==0.3"),
        ("vllm", "==0.8.5"),
        ("vllm", "==0.8.4"),
    ]
    assert all(facts.text(pin.specifier_span) == pin.specifier for pin in facts.pins)
    assert facts.newline == ("\r\n" if form == "crlf" else "\n")


def test_comments_silence() -> None:
    source = b"[options]\ninstall_requires =\n    # vllm-migrate: ignore[VM901] later\n    vllm==0.8.5\n"
    assert read_setup_cfg(PurePosixPath("setup.cfg"), source).suppressions[4] == ("VM901",)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"vllm==0.8.5\n[options]\n", "line 1: "),
        (b"[options]\ninstall_requires =\n  x\nvllm\n", "line 4: "),
        (b"[options]\nname = \xe9 vllm\n", "not UTF-8"),
    ],
)
def test_what_is_no_setup_cfg_is_refused(source: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_setup_cfg(PurePosixPath("setup.cfg"), source)
