"""The comparison of run logs in every format."""

from __future__ import annotations

import copy
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from vllm_migrate.report.watch_html import render_html
from vllm_migrate.report.watch_json import SCHEMA, render_json
from vllm_migrate.report.watch_junit import render_junit
from vllm_migrate.report.watch_markdown import render_markdown
from vllm_migrate.report.watch_schema import page, schema
from vllm_migrate.report.watch_terminal import render_text
from vllm_migrate.report.watch_words import headline, sparkline
from vllm_migrate.statistics.verdict import Verdict
from vllm_migrate.watch.result import Curve, Left, Method, MetricResult, Outcome, RunSeen, WatchReport

PUBLISHED = Path(__file__).parents[2] / "docs" / "schema" / "watch.json"
STEPS = tuple(float(n) for n in range(1, 51))
CURVE = Curve(
    STEPS,
    *(tuple(base + n / 1000 for n in range(50)) for base in (0.1, 0.2, 0.05, 0.15, 0.1, 0.2)),
    smoothing=3,
)
CLIP = MetricResult(
    "clip_rate",
    "clip rate",
    "share",
    "down",
    "share of tokens that are clipped",
    "clip_ratio/region_mean",
    "actor/pg_clipfrac",
    Outcome.LEFT,
    "above the reference from step 20 on",
    p=1e-9,
    points=50,
    first_step=1,
    last_step=50,
    reference_mean=0.1,
    candidate_mean=0.2,
    left=Left(20, 18, 22, 24, 0.1, worse=True),
    curve=CURVE,
)
REWARD = replace(
    CLIP,
    name="reward",
    label="reward",
    unit="",
    wanted="up",
    p=0.0123,
    left=Left(30, 25, 33, 40, -0.25, worse=True),
    message="below the reference from step 30 on",
)
QUIET = replace(
    CLIP, name="entropy", label="entropy", outcome=Outcome.IN_BAND, left=None, p=0.7, smallest=0.05
)
LOST = replace(
    CLIP,
    name="kl_ref",
    label="KL to base",
    p=None,
    curve=None,
    left=Left(41, 41, 41, 41, math.nan, worse=True),
)
FEW = replace(CLIP, name="my", label="my", outcome=Outcome.NOT_JUDGED, left=None, p=None, curve=None)
RUN = RunSeen("v0", "runs/v0", "TensorBoard", 12, 1, 50, finished=True, notes=("resumed at step 9",))
FULL = WatchReport(
    Verdict.FAIL,
    "left",
    (RUN,),
    (replace(RUN, name="v1", source="runs/v1", finished=False),),
    Method.PAIR,
    look=3,
    metrics=(CLIP, REWARD, LOST, QUIET, FEW),
    not_compared=("my/other", "<b>"),
    running=True,
    notes=("a note",),
    seconds=1.5,
)
GOOD = replace(FULL, verdict=Verdict.PASS, reason="in-band", metrics=(QUIET,), method=Method.LABELS)
NONE = WatchReport(None, "input", message="x/y: there is no such file", hint="look again")
EVIL = replace(
    FULL,
    metrics=(
        replace(
            CLIP, name="\x1b[31m<script>@x|`", label="\x1b[31m<script>@x|`\u202e", reference_name="<i>\n#1"
        ),
    ),
    not_compared=("\x1b]0;x\x07", "</script>"),
    references=(replace(RUN, name="<img>\x1b", source="<img>\x1b", notes=("\u202e@me",)),),
)
ALL = [FULL, GOOD, NONE, EVIL]
FORMATS = [render_text, render_json, render_junit, render_markdown, render_html]


def errors(report: WatchReport) -> list[str]:
    """Against the schema, closed: a key it does not name is an error."""
    closed = copy.deepcopy(schema())
    for node in (closed, *closed["$defs"].values()):
        if "properties" in node:
            node["additionalProperties"] = False
    document = json.loads(render_json(report), parse_constant=pytest.fail)
    return [
        f"{e.json_path}: {e.message}" for e in jsonschema.Draft202012Validator(closed).iter_errors(document)
    ]


def test_the_published_schema_is_current():
    written = "python -m vllm_migrate.report.watch_schema docs/schema/watch.json"
    assert PUBLISHED.read_text(encoding="utf-8") == page(), f"stale; write it again with {written}"
    jsonschema.Draft202012Validator.check_schema(schema())
    assert schema()["properties"]["schema"] == {"const": SCHEMA}


@pytest.mark.parametrize("report", ALL)
def test_reports_are_valid_and_hold_no_key_that_is_not_described(report: WatchReport):
    assert errors(report) == []


def test_the_headline_names_the_step_and_the_first_metric():
    assert headline(FULL).startswith(
        "the candidate left the reference at step 20, first in clip rate; then reward"
    )
    tied = replace(FULL, metrics=(CLIP, replace(REWARD, left=Left(21, 15, 25, 30, 1.0, worse=None))))
    assert "(or reward at step 21: too close to tell)" in headline(tied)


@pytest.mark.parametrize("report", ALL)
def test_the_terminal_has_80_columns_and_nothing_steers_it(report: WatchReport):
    text = render_text(report)
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert re.sub("\x1b\\[[0-9;]*m", "", render_text(report, colour=True)) == text


def test_the_terminal_says_what_was_and_was_not_seen():
    text = " ".join(render_text(FULL).split())
    for said in (
        "LEFT the candidate left the reference at step 20",
        "by +10.0%, worse; told at step 24; p < 0.0001",
        "one run a side",
        "look 3, all looks together",
        "±5.00%",
        "resumed at step 9",
        "2 more in common, not compared (--all)",
    ):
        assert said in text
    assert "IN BAND" in render_text(GOOD)


@pytest.mark.parametrize("report", ALL)
def test_a_page_is_whole_and_takes_nothing_from_elsewhere(report: WatchReport):
    html = render_html(report)
    assert html == render_html(report)
    assert "<script>@x" not in html
    assert not re.search(r"(?:src|href)=", html)
    ET.fromstring(html.removeprefix("<!DOCTYPE html>\n"))  # noqa: S314 - our own page


def test_pictures_show_curves_the_band_and_the_step():
    html = render_html(FULL)
    assert html.count('class="band"') == 3  # one a metric with a curve
    assert html.count('class="break"') == 2
    assert "prefers-color-scheme: dark" in html


@pytest.mark.parametrize("report", ALL)
def test_junit_counts_what_it_holds(report: WatchReport):
    root = ET.fromstring(render_junit(report))  # noqa: S314 - our own report
    for kind, tag in (("failures", "failure"), ("errors", "error")):
        assert int(root.get(kind)) == len(root.findall(f".//{tag}"))
    assert len(root.findall(".//testcase")) == 1 + len(report.metrics)


def test_markdown_holds_no_markup_from_outside():
    said = render_markdown(EVIL)
    assert "<script>" not in said
    assert "@x" not in said
    assert "## ❌ vllm-migrate watch: left" in said
    assert "look again" in render_markdown(NONE)


def test_formats_say_the_reason():
    for render in FORMATS[1:]:
        assert "input" in render(NONE)


def test_sparklines_run_from_low_to_high():
    assert sparkline((0.0, 1.0), 0.0, 1.0, 10) == "▁█"
    assert len(sparkline(tuple(map(float, range(100))), 0, 99, 20)) == 20
    assert sparkline((), 0, 1, 5) == ""
    assert sparkline((2.0, 2.0), 2.0, 2.0, 5) == "▅▅"
