from __future__ import annotations

from pathlib import Path

from vllm_migrate.audit.cause.causes import ABOUT, page
from vllm_migrate.audit.result import Cause

PAGE = Path(__file__).resolve().parents[2] / "docs" / "causes.md"


def test_every_cause_is_published():
    assert set(ABOUT) == set(Cause)


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "python -m vllm_migrate.audit.cause.causes docs/causes.md"
    )


def test_every_cause_that_can_be_named_says_what_to_do():
    for cause, about in ABOUT.items():
        assert all((about.title, about.signature, about.intervention, about.remedy)), cause
        assert about.layer or cause in (Cause.NONE, Cause.UNEXPLAINED)
