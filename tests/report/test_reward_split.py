"""What a reward's shift consists of, in every report."""

from __future__ import annotations

import dataclasses
import json
import xml.etree.ElementTree as ET

import pytest

from vllm_migrate.audit.result import AuditResult, Estimate, Verdict
from vllm_migrate.audit.sections import RewardSplit, RewardTerm
from vllm_migrate.report.audit_html import render_html
from vllm_migrate.report.audit_json import render_json
from vllm_migrate.report.audit_markdown import render_markdown
from vllm_migrate.report.audit_terminal import WIDTH, render_text
from vllm_migrate.report.split_words import split_sentence

HOSTILE = "</script><script>alert(1)</script>\"'&<b>\u202eevil\x1b[31m"
SPLIT = RewardSplit(
    total=Estimate(-0.12, -0.16, -0.08),
    terms=(
        RewardTerm("truncation", Estimate(-0.1, -0.13, -0.07), 0.02, 0.21, "share"),
        RewardTerm("correctness", Estimate(-0.01, -0.03, 0.01), 0.7, 0.56, "share"),
        RewardTerm("length", Estimate(-0.012, -0.02, -0.004), 96.5, 121.0, "tokens"),
        RewardTerm("scorer", Estimate(0.0), note="one scorer judged both sides"),
        RewardTerm("rest", Estimate(0.002, -0.01, 0.014)),
    ),
    style=Estimate(0.004, -0.02, 0.028),
    style_margin=0.05,
    style_verdict=Verdict.PASS,
    prompts=64,
    completions=1024,
    notes=("the difference of the free runs",),
)


@pytest.fixture
def divided(full: AuditResult) -> AuditResult:
    return dataclasses.replace(full, reward=dataclasses.replace(full.reward, split=SPLIT))


def test_the_terminal_shows_a_line_a_term(divided: AuditResult):
    said = render_text(divided)
    assert all(len(line) <= WIDTH for line in said.splitlines())
    assert "truncation -0.100 [-0.130, -0.0700] cut off: 2.00% to 21.0%" in " ".join(said.split())
    assert "mean length: 96.5 to 121 tokens" in said
    assert "one scorer judged both sides" in said
    assert "together" in said
    assert "preference" not in said
    likes = dataclasses.replace(SPLIT, style=Estimate(0.4, 0.3, 0.5), style_verdict=Verdict.FAIL)
    result = dataclasses.replace(divided, reward=dataclasses.replace(divided.reward, split=likes))
    assert "A preference about the candidate's style" in " ".join(render_text(result).split())


def test_a_shift_of_nothing_is_not_taken_apart(divided: AuditResult):
    nothing = tuple(dataclasses.replace(term, estimate=Estimate(0.0, 0.0, 0.0)) for term in SPLIT.terms)
    split = dataclasses.replace(SPLIT, total=Estimate(0.0), terms=nothing)
    result = dataclasses.replace(divided, reward=dataclasses.replace(divided.reward, split=split))
    assert "truncation" not in render_text(result)
    assert "no part of it is beyond chance" in split_sentence(split)


def test_the_page_and_the_comment_name_the_main_part(divided: AuditResult):
    sentence = (
        "Between the free runs the reward differs by -0.120 over 64 prompts and 1,024 completions; the "
        "largest part that is beyond chance is truncation (-0.100)."
    )
    page = " ".join(ET.fromstring(render_html(divided).partition("\n")[2]).itertext())  # noqa: S314 - our own
    assert sentence in " ".join(page.split())
    assert "cut off: 2.00% to 21.0%" in page
    assert "No preference for the candidate's style" in page
    assert "the difference of the free runs" in page
    comment = render_markdown(divided)
    assert "| truncation | -0.100 | [-0.130, -0.0700] | cut off: 2.00% to 21.0% |" in comment
    assert "largest part that is beyond chance is truncation" in comment


def test_json_holds_all_of_it(divided: AuditResult):
    split = json.loads(render_json(divided))["reward"]["split"]
    assert split["terms"][0] == {
        "name": "truncation",
        "estimate": {"value": -0.1, "low": -0.13, "high": -0.07},
        "reference": 0.02,
        "candidate": 0.21,
        "unit": "share",
        "note": "",
    }
    assert split["style_verdict"] == "PASS"


def test_a_split_without_a_distribution_still_has_its_section(divided: AuditResult):
    bare = dataclasses.replace(divided.reward, distribution=())
    assert "What the difference consists of" in render_html(dataclasses.replace(divided, reward=bare))
    plain = dataclasses.replace(divided, reward=dataclasses.replace(bare, split=None))
    assert "What the difference consists of" not in render_html(plain)
    assert "consists of" not in render_markdown(plain)


def test_hostile_words_stay_words(divided: AuditResult):
    terms = tuple(dataclasses.replace(term, name=HOSTILE, note=HOSTILE, unit=HOSTILE) for term in SPLIT.terms)
    split = dataclasses.replace(SPLIT, terms=terms, notes=(HOSTILE,))
    result = dataclasses.replace(divided, reward=dataclasses.replace(divided.reward, split=split))
    page = render_html(result)
    assert "<script>alert" not in page
    ET.fromstring(page.partition("\n")[2])  # noqa: S314 - our own
    assert "\x1b" not in render_text(result)
    assert "\u202e" not in render_text(result)
    assert "<script>alert" not in render_markdown(result)
