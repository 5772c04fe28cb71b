"""The table of boundaries in docs/guard.md.

`python -m vllm_migrate.guard.document docs/guard.md` writes what stands behind the page's mark anew from
boundaries.toml; what stands above is written by hand.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vllm_migrate.guard.boundaries import Boundaries

if TYPE_CHECKING:
    from vllm_migrate.guard.boundaries import Boundary

MARK = "<!-- From here on made from boundaries.toml: python -m vllm_migrate.guard.document docs/guard.md -->"
_HEAD = "| boundary | what it bounds | unit | warn | stop | steps in a row |\n|---|---|---|---|---|---|"
_DIRECTION = {"above": "> ", "below": "< ", "either": "± "}


def table(boundaries: Boundaries) -> str:
    """Every boundary in the order of a step, and below it where its limits come from."""
    rows = "\n".join(_row(boundary) for boundary in boundaries)
    sources = "\n".join(f"- `{boundary.name}`: {boundary.source}." for boundary in boundaries)
    return (
        f"## All boundaries\n\nVersion {boundaries.version} of the table.\n\n{_HEAD}\n{rows}\n\n"
        f"## Where the limits come from\n\n{sources}\n"
    )


def _row(boundary: Boundary) -> str:
    words = boundary.what + (" (acts during the warm-up, too)" if boundary.broken else "")
    patience = "" if boundary.stop is None else f"{boundary.patience}"
    limits = f"{_limit(boundary, boundary.warn)} | {_limit(boundary, boundary.stop)}"
    name = f"{boundary.stage.value}: `{boundary.name}`"
    return f"| {name} | {words} | {boundary.unit} | {limits} | {patience} |"


def _limit(boundary: Boundary, limit: float | None) -> str:
    return "" if limit is None else f"{_DIRECTION[boundary.direction]}{limit:g}"


def page(old: str) -> str:
    """The page with everything behind the mark made anew.

    Raises:
        ValueError: it has no mark.
    """
    by_hand, mark, _ = old.partition(MARK)
    if not mark:
        raise ValueError(f"the page has no line {MARK!r}")
    return f"{by_hand}{MARK}\n\n{table(Boundaries.default())}"


if __name__ == "__main__":
    _target = Path(sys.argv[1])
    _target.write_text(page(_target.read_text(encoding="utf-8")), encoding="utf-8")
