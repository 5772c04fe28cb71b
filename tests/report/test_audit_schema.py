"""The published schema of the JSON report: current, and true of what is written."""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from vllm_migrate.audit.result import SCHEMA, AuditResult, Cause
from vllm_migrate.audit.run import not_judged
from vllm_migrate.report.audit_json import render_json
from vllm_migrate.report.audit_schema import page, schema

PUBLISHED = Path(__file__).parents[2] / "docs" / "schema" / "audit.json"


def strict() -> dict[str, Any]:
    """The schema, closed: a key it does not name is an error."""
    closed = copy.deepcopy(schema())
    for node in (closed, *closed["$defs"].values()):
        node["additionalProperties"] = False
    return closed


def errors(result: AuditResult) -> list[str]:
    validator = jsonschema.Draft202012Validator(strict())
    document = json.loads(render_json(result), parse_constant=pytest.fail)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


def test_the_published_schema_is_current():
    written = "python -m vllm_migrate.report.audit_schema docs/schema/audit.json"
    assert PUBLISHED.read_text(encoding="utf-8") == page(), f"stale; write it again with {written}"


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(schema())
    assert schema()["properties"]["schema"] == {"const": SCHEMA}


def test_reports_are_valid_and_hold_no_key_that_is_not_described(audit: AuditResult, full: AuditResult):
    assert errors(audit) == []
    assert errors(full) == []


def test_a_report_of_an_audit_that_could_not_judge_is_valid():
    assert errors(not_judged(None, "usage", "no such model", "give --model a directory")) == []


def test_figures_that_are_not_finite_are_valid(full: AuditResult):
    worst = dataclasses.replace(full.arms[2].worst[0], candidate=float("-inf"))
    arms = (*full.arms[:2], dataclasses.replace(full.arms[2], worst=(worst,)))
    assert errors(dataclasses.replace(full, arms=arms)) == []


def test_every_part_of_the_result_is_in_the_schema():
    names = {field.name for field in dataclasses.fields(AuditResult)}
    assert set(schema()["properties"]) == {"schema", *names}


def test_the_schema_notices_what_is_wrong(full: AuditResult):
    document = json.loads(render_json(full))
    for change in (
        {"verdict": "MAYBE"},
        {"cause": "the weather"},
        {"schema": "vllm-migrate-audit/0"},
        {"invariants": [{"name": "x"}]},
        {"prompts": "64"},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**document, **change}, schema())


def test_every_cause_can_be_reported(full: AuditResult):
    for cause in Cause:
        assert errors(dataclasses.replace(full, cause=cause)) == []


def test_lone_surrogates_are_escaped(full: AuditResult):
    text = render_json(dataclasses.replace(full, message="\ud800"))
    assert text.encode("utf-8")
    assert json.loads(text)["message"] == "\ud800"
