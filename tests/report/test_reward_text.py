"""The reports on a reward that are text: for a terminal, as Markdown, as JUnit XML, as JSON."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
import unicodedata
import xml.etree.ElementTree as ET
from pathlib import Path

import jsonschema
import pytest
from reward_reports import ALL, FULL, HOSTILE, HOSTILE_REPORT, TWO_ENGINES, UNASKED

from vllm_migrate.report.markdown_text import LONGEST
from vllm_migrate.report.reward_json import SCHEMA, render_json
from vllm_migrate.report.reward_junit import render_junit
from vllm_migrate.report.reward_markdown import render_markdown
from vllm_migrate.report.reward_schema import page, schema
from vllm_migrate.report.reward_terminal import WIDTH, render_text
from vllm_migrate.reward.outcome import Outcome, RewardReport
from vllm_migrate.statistics.verdict import Verdict

PUBLISHED = Path(__file__).parents[2] / "docs" / "schema" / "reward.json"


# For a terminal.


def test_the_terminal_shows_verdict_table_findings_and_what_was_left_in_that_order():
    text = render_text(FULL)
    places = [
        text.index(words)
        for words in (
            "FAIL  pays.py:reward",
            "240 completions of 40 prompts from rollouts.jsonl",
            "contract  pass",
            "1 fails, 1 warns, 1 passes, 1 was not judged, 1 does not apply, 1 is off",
            "FAIL  length",
            "WARN  groups",
            "features: 6 prompts are too few",
            "swap: the reward does not read the prompt",
        )
    ]
    assert places == sorted(places)


def test_a_finding_has_its_figure_limits_source_advice_and_one_example_of_every_change_first():
    text = " ".join(render_text(FULL).split())
    assert "figure: 0.620 [0.510, 0.700] (Spearman's rho with length, 234 texts)" in text
    assert "limits: warn above 0.3, fail above 0.45; ODIN, arXiv 2402.07319; 0.3 is judgement" in text
    assert "do: take the length out of the reward" in text
    assert "- padded: 0.250 → 0.750" in text
    assert text.index("- cut short: 0.750 → none") < text.index("Second text.")


def test_shares_are_percentages():
    assert "60.0% [43.0%, 75.0%]" in render_text(FULL)
    assert "warn above 50%, fail above 80%" in render_text(FULL)


@pytest.mark.parametrize("report", ALL)
def test_no_line_is_wider_than_the_terminal_and_nothing_steers_it(report: RewardReport):
    for line in render_text(report).split("\n"):
        assert len(line) <= WIDTH
        assert not [char for char in line if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]


def test_no_text_is_quoted_twice():
    example = FULL.checks[2].worst[0]
    failed = dataclasses.replace(FULL.checks[2], worst=(example,) * 3)
    assert render_text(dataclasses.replace(FULL, checks=(failed,))).count("First text.") == 1


def test_wide_characters_count_twice():
    text = "\u6211\u4eec\u628a\u5341\u4f4d\u76f8\u52a0\u3002" * 40
    worst = (dataclasses.replace(FULL.checks[2].worst[0], completion=text),)
    failed = dataclasses.replace(FULL.checks[2], worst=worst, message=text)
    lines = render_text(dataclasses.replace(FULL, checks=(failed,))).split("\n")
    widths = [sum(1 + (unicodedata.east_asian_width(char) == "W") for char in line) for line in lines]
    assert WIDTH - 2 <= max(widths) <= WIDTH
    assert text[:300] in "".join(line.strip() for line in lines)


def test_colour_is_the_callers_choice_and_changes_no_word():
    coloured = render_text(FULL, colour=True)
    assert "\x1b[31;1mFAIL" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == render_text(FULL)


# Markdown.


def test_markdown_has_findings_open_and_the_rest_folded():
    text = render_markdown(FULL)
    assert text.startswith("## ❌ vllm-migrate reward: FAIL")
    assert text.index("✕ length") < text.index("! groups") < text.index("All probes that were judged")
    assert "| contract | ✓ pass |" in text
    assert "not applicable" in text.partition("Probes that were not judged")[2]


@pytest.mark.parametrize("report", ALL)
def test_nothing_from_outside_is_markup_in_markdown(report: RewardReport):
    text = render_markdown(report)
    assert "<script" not in text
    assert "<b>" not in text
    assert len(text) <= LONGEST
    assert text.encode("utf-8")


def test_a_markdown_report_that_could_not_judge_says_why():
    text = render_markdown(UNASKED)
    assert "could not judge" in text
    assert "nowhere" in text
    assert "look again" in text


# JUnit.


@pytest.mark.parametrize("report", ALL)
def test_junit_is_well_formed(report: RewardReport):
    ET.fromstring(render_junit(report))  # noqa: S314 - our own document


def test_junit_fails_where_a_probe_does_and_skips_what_was_not_judged():
    root = ET.fromstring(render_junit(FULL))  # noqa: S314 - our own document
    cases = {case.get("name"): [child.tag for child in case] for case in root.iter("testcase")}
    assert cases["verdict"] == cases["length"] == ["failure"]
    assert cases["groups"] == cases["contract"] == ["system-out"]
    assert cases["swap"] == cases["features"] == cases["paraphrase"] == ["skipped"]
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("7", "2", "3")


def test_junit_has_an_error_where_nothing_could_be_judged():
    assert 'errors="1"' in render_junit(UNASKED)
    assert 'errors="1"' in render_junit(dataclasses.replace(TWO_ENGINES, verdict=Verdict.INCONCLUSIVE))
    assert 'errors="0"' in render_junit(TWO_ENGINES)


# JSON.


def errors(report: RewardReport) -> list[str]:
    """Against the schema, closed: a key it does not name is an error."""
    closed = copy.deepcopy(schema())
    for node in (closed, *closed["$defs"].values()):
        if "properties" in node:
            node["additionalProperties"] = False
    document = json.loads(render_json(report), parse_constant=pytest.fail)
    found = jsonschema.Draft202012Validator(closed).iter_errors(document)
    return [f"{error.json_path}: {error.message}" for error in found]


def test_the_published_schema_is_current():
    written = "python -m vllm_migrate.report.reward_schema docs/schema/reward.json"
    assert PUBLISHED.read_text(encoding="utf-8") == page(), f"stale; write it again with {written}"


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(schema())
    assert schema()["properties"]["schema"] == {"const": SCHEMA}


@pytest.mark.parametrize("report", ALL)
def test_reports_are_valid_and_hold_no_key_that_is_not_described(report: RewardReport):
    assert errors(report) == []


def test_the_schema_notices_what_is_wrong():
    document = json.loads(render_json(FULL))
    for change in ({"verdict": "MAYBE"}, {"samples": "64"}, {"checks": [{"probe": "length"}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**document, **change}, schema())


def test_every_outcome_can_be_reported():
    for outcome in Outcome:
        checks = tuple(dataclasses.replace(check, outcome=outcome) for check in FULL.checks)
        report = dataclasses.replace(FULL, checks=checks)
        assert errors(report) == []
        assert render_text(report)
        assert render_markdown(report)


def test_json_keeps_a_hostile_text_to_the_letter():
    document = json.loads(render_json(HOSTILE_REPORT))
    assert document["checks"][0]["worst"][0]["completion"] == HOSTILE * 200
    assert document["checks"][0]["worst"][0]["after"] is None
