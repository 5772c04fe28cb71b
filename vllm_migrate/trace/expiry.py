"""How long a trace may stand in for the engine that made it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from vllm_migrate.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from vllm_migrate.trace.model import Provenance

DEFAULT_DAYS = 90
"""The numbers of a reference depend on drivers, libraries and processors that a runner's image changes behind
its user's back, and the noise floor in it stands for one machine. A quarter is as long as GitHub keeps
artefacts by default: an expired reference is then gone from there, too. A judgement, not a measurement."""


def expiry(created: str, days: int) -> str:
    """When a trace made at `created` expires, ISO 8601; "" for never (0 days)."""
    if days == 0:
        return ""
    return (datetime.fromisoformat(created) + timedelta(days=days)).isoformat(timespec="seconds")


def check_expiry(made: Provenance, path: Path, *, allowed: bool, now: datetime | None = None) -> None:
    """Refuse an expired trace.

    Args:
        made: whose expiry counts.
        path: for the message.
        allowed: whether an expired one will do.
        now: the time it is; the clock's where None.

    Raises:
        UsageError: it has expired and that is not allowed, or its expiry is no date.
    """
    if not made.expires or allowed:
        return
    try:
        ends = datetime.fromisoformat(made.expires)
    except ValueError:
        raise UsageError(f"{path} has no readable expiry: {made.expires!r}") from None
    ends = ends if ends.tzinfo else ends.replace(tzinfo=timezone.utc)
    if (now or datetime.now(timezone.utc)) >= ends:
        raise UsageError(
            f"{path} expired on {ends.date()}",
            hint="record it again, or use it all the same with --allow-expired",
        )
