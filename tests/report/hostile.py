"""A project whose names and texts try to break out of every format they are written in."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from vllm_migrate.config import Config
from vllm_migrate.rules.scan import scan

if TYPE_CHECKING:
    from pathlib import Path

    from vllm_migrate.rules.scan import ScanResult

SOURCE = b"""\
from vllm import LLM


def b():
    return LLM("m|%<script>", swap_space=1, seed=1)  # \x1b[31m ::error::
"""
NAMES = (
    b"plain.py",
    b"a,b:c%d|e.py",
    b"new\nline ::error::x.py",
    b"<script>alert(1)</script>`x`.py".replace(b"/", b"_"),
    b"caf\xe9.py",
    b"]]>&\"'.py",
    b"\x1b[31m.py",
)
BROKEN = b"broken.py"


def hostile_scan(folder: Path) -> ScanResult:
    """The scan of such a project in `folder`, which is the working directory."""
    for name in NAMES:
        with open(os.path.join(os.fsencode(folder), name), "wb") as file:  # noqa: PTH118, PTH123 - names are bytes
            file.write(SOURCE)
    (folder / "broken.py").write_bytes(b"from vllm import LLM\nLLM(\n")
    (folder / "quiet.py").write_bytes(SOURCE.replace(b"# ", b"# vllm-migrate: ignore[VM201] "))
    (folder / "run.sh").write_bytes(b"vllm serve m ${SWAP:+--swap-space $SWAP}\n")
    return scan([folder], Config())


def clean_scan(folder: Path) -> ScanResult:
    """The scan of a project with nothing to find."""
    (folder / "a.py").write_text("from vllm import LLM\n")
    return scan([folder], Config())
