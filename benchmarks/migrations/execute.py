"""Runs a project's own command in an engine's environment, within a time limit, leaving no process behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from case import Case

    from vllm_migrate.engines.environment import EngineEnvironment

DECIDED_BY_PROJECT = ("VLLM_USE_V1", "VLLM_ENABLE_V1_MULTIPROCESSING")
"""What a catalogue entry sets for the audit's workers; a project on V1 decides it for itself."""


@dataclass(frozen=True)
class Ran:
    """How a run ended: `exit_code` is None where it ran out of time; `tail` is the end of its output."""

    exit_code: int | None
    seconds: float
    tail: str


def run(case: Case, folder: Path, engine: EngineEnvironment, given: dict[str, str]) -> Ran:
    """Run the case's command in `folder/project`, with `folder/out` for what it writes.

    Args:
        case: whose command it is.
        folder: holds both; gets `log.txt`, everything that was printed.
        engine: in whose environment.
        given: MODEL and PROMPTS.
    """
    out, log = folder / "out", folder / "log.txt"
    environment = engine.variables()
    if engine.generation == "v1":
        for name in DECIDED_BY_PROJECT:
            environment.pop(name, None)
    environment["PATH"] = f"{engine.python.parent}{os.pathsep}{environment.get('PATH', os.defpath)}"
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    environment.update(given, OUT=str(out), OMP_NUM_THREADS="1")
    began = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(case.command),
            cwd=folder / "project",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            exit_code: int | None = process.wait(case.timeout)
        except subprocess.TimeoutExpired:
            exit_code = None
        finally:
            # Servers and engine processes outlive the program that forgot them.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    text = log.read_text(encoding="utf-8", errors="replace")
    return Ran(exit_code, round(time.monotonic() - began, 1), text[-4000:])


def last_error(tail: str) -> str:
    """The line of the output that names what went wrong: the last exception, else the last line."""
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    named = [
        line for line in lines if line.partition(":")[0].endswith(("Error", "Exception")) and ":" in line
    ]
    said = (named or lines or ["no output"])[-1]
    return re.sub(r"/\S*/site-packages/", "site-packages/", said)[:300]  # places of this machine go
