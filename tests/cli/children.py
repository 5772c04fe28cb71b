"""Starting the command as a user does, in a process and a directory of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

COMMAND = [sys.executable, "-m", "vllm_migrate"]


def environment(**more: str) -> dict[str, str]:
    """This process's environment, in which this checkout is found from any directory, installed or not."""
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, **more}
