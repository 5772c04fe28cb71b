"""Entry point: `<engine's python> .../workers`, one process per engine.

The package is loaded under a private name by its path, and its directory is taken off `sys.path` again:
relative imports work, and nothing of ours (nor of the site-packages we live in) becomes importable inside the
engine.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path

PACKAGE = "_vllm_migrate_workers"


def main() -> int:
    """Serve requests from standard input until it closes; returns the exit status."""
    replies = _keep_stdout_to_ourselves()
    requests = _keep_stdin_to_ourselves()
    here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if not entry or Path(entry).resolve() != here]
    spec = importlib.util.spec_from_file_location(
        PACKAGE, here / "__init__.py", submodule_search_locations=[str(here)]
    )
    if spec is None or spec.loader is None:
        raise SystemExit(f"cannot load the worker package from {here}")
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)
    serve = importlib.import_module(f"{PACKAGE}.serve")
    status: int = serve.run(requests, replies)
    return status


def _keep_stdout_to_ourselves() -> int:
    """Move file descriptor 1 away, so that nothing an engine prints can end up among the replies."""
    replies = os.dup(1)
    os.dup2(2, 1)
    return replies


def _keep_stdin_to_ourselves() -> int:
    """Same for file descriptor 0: a library that reads from the terminal finds nothing."""
    requests = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return requests


if __name__ == "__main__":
    sys.exit(main())
