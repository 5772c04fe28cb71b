"""Asks math-verify about pairs of texts; started as a script in a process of its own.

    python -I math_child.py

The job comes as JSON on standard input, {"path": where to import from, "pairs": [[reference, completion],
...], "cpu_seconds", "memory_bytes"}; verdicts leave as JSON lines on standard output, true, false, or null
where math-verify finds nothing to compare. Standard library and math-verify only.
"""

from __future__ import annotations

import importlib
import json
import logging
import resource
import sys

_SECONDS = 3  # for one text; math-verify keeps them by SIGALRM, which needs the main thread


def main() -> None:
    """Read the job, answer pair by pair."""
    job = json.load(sys.stdin)
    for kind, value in (
        (resource.RLIMIT_CPU, job["cpu_seconds"]),
        (resource.RLIMIT_AS, job["memory_bytes"]),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        limit = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (limit, limit))
    sys.path[:0] = job["path"]
    logging.disable(logging.CRITICAL)
    library = importlib.import_module("math_verify")  # where it is, the job says
    for reference, completion in job["pairs"]:
        verdict = None
        try:
            gold = library.parse(reference, parsing_timeout=_SECONDS)
            said = library.parse(completion, parsing_timeout=_SECONDS)
            if gold and said:
                verdict = bool(library.verify(gold, said, timeout_seconds=_SECONDS))
        except Exception:  # noqa: BLE001 - what it can't read, it has no verdict on
            verdict = None
        sys.stdout.write(json.dumps(verdict) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
