from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from vllm_migrate.errors import UsageError
from vllm_migrate.trace.expiry import check_expiry, expiry
from vllm_migrate.trace.model import Provenance

CREATED = "2026-01-01T00:00:00+00:00"
PATH = Path("r.parquet")


def made(expires):
    return Provenance("v0", "0.8.5", "c", "v0", {}, {}, {}, "m", "0", CREATED, expires=expires)


def at(day):
    return datetime(2026, 1, day, tzinfo=timezone.utc)


def test_a_trace_may_be_used_until_its_expiry():
    ends = expiry(CREATED, 9)
    assert ends == "2026-01-10T00:00:00+00:00"
    check_expiry(made(ends), PATH, allowed=False, now=at(9))
    with pytest.raises(UsageError, match=r"r\.parquet expired on 2026-01-10") as caught:
        check_expiry(made(ends), PATH, allowed=False, now=at(10))
    assert "--allow-expired" in caught.value.hint
    check_expiry(made(ends), PATH, allowed=True, now=at(31))


def test_for_ever():
    assert expiry(CREATED, 0) == ""
    check_expiry(made(""), PATH, allowed=False, now=at(31))


def test_a_date_without_a_zone_and_one_that_is_none():
    with pytest.raises(UsageError, match="expired"):
        check_expiry(made("2026-01-10"), PATH, allowed=False, now=at(11))
    with pytest.raises(UsageError, match="no readable expiry"):
        check_expiry(made("soon"), PATH, allowed=False)
