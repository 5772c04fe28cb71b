"""The HTML page as a whole. The results it renders are synthetic (see conftest.py)."""

from __future__ import annotations

import dataclasses
import math
import re
import time
import unicodedata
import xml.etree.ElementTree as ET

import pytest

from vllm_migrate.audit.result import AuditResult, Cause, Check, Estimate, Reward, Verdict, WorstToken
from vllm_migrate.report.audit_html.markup import estimate
from vllm_migrate.report.audit_html.page import render_html
from vllm_migrate.report.words import METRICS, figure, headline

HOSTILE = "</script><script>alert(1)</script>\"'&<b>\u202eevil\u2066\x00\x1b[31m\ud800\u2028end"


def tree(page: str) -> ET.Element:
    doctype, _, rest = page.partition("\n")
    assert doctype == "<!DOCTYPE html>"
    return ET.fromstring(rest)  # noqa: S314 - our own page; strict parsing is the test


def words(node: ET.Element) -> str:
    return " ".join("".join(node.itertext()).split())


def with_arm(result: AuditResult, name: str, **changed: object) -> AuditResult:
    arms = tuple(dataclasses.replace(a, **changed) if a.name == name else a for a in result.arms)
    return dataclasses.replace(result, arms=arms)


def candidate(result: AuditResult):
    return next(arm for arm in result.arms if arm.name == "candidate")


def test_verdict_and_its_figures_come_first(audit: AuditResult):
    main = tree(render_html(audit)).find(".//main")
    first = words(main.find("header"))
    metrics = candidate(audit).against_reference
    assert "✕ FAIL" in first
    assert "V1 0.32.0 at these settings moves the learning signal" in first
    assert f"mean |Δlogp| {metrics.mean_abs.value:.3f}" in first
    assert f"{metrics.clip_rate.value * 100:.1f}% of tokens clipped with an unmoved policy" in first


def test_every_figure_of_every_arm_is_on_the_page_with_its_interval(audit: AuditResult):
    page = render_html(audit)
    for arm in audit.arms:
        for metrics in (arm.against_reference, arm.against_trainer):
            for name, how in METRICS.items() if metrics else ():
                assert estimate(figure(metrics, name), how.unit, how.digits) in page, (arm.name, name)


def test_the_figures_follow_the_result(audit: AuditResult):
    moved = dataclasses.replace(candidate(audit).against_reference, mean_abs=Estimate(0.4321, 0.411, 0.455))
    page = render_html(with_arm(audit, "candidate", against_reference=moved))
    assert "mean |Δlogp| 0.432" in words(tree(page).find(".//h1"))
    assert "[0.411, 0.455]" in page
    assert "[0.411, 0.455]" not in render_html(audit)


def test_page_needs_nothing_from_outside(audit: AuditResult):
    page = render_html(audit)
    assert not re.search(
        r"https?:|//|<script|<link|<iframe|@import|url\(|src=|\son[a-z]+=", page.split("</style>")[1]
    )
    assert not re.search(r"@import|url\(|https?:", page.split("</style>")[0])
    assert "default-src 'none'" in page


def test_settings_stand_as_code_in_both_forms(audit: AuditResult):
    blocks = [block.text for block in tree(render_html(audit)).iter("pre")]
    assert 'logprobs_mode="processed_logprobs",\n    enable_prefix_caching=False,' in blocks[0]
    assert "--logprobs-mode processed_logprobs \\\n  --no-enable-prefix-caching" in blocks[1]


def test_remedy_reward_and_their_uncertainty_are_said(audit: AuditResult):
    facts = words(tree(render_html(audit)).find(".//dl"))
    assert "✓ PASS with logprobs_mode=processed_logprobs, enable_prefix_caching=False" in facts
    assert "It does not change the candidate's verdict." in facts
    assert "? INCONCLUSIVE candidate 0.676, reference 0.701, difference -0.0250 [-0.0820, 0.0320]" in facts
    assert "smallest difference this run could have detected 0.0810" in facts
    assert "mean |Δlogp| 0.00210 nats: less, this run could not have told from its margin" in facts


def test_time_is_one_row_an_arm(audit: AuditResult):
    page = tree(render_html(audit))
    table = next(t for t in page.iter("table") if words(t.find("caption")).startswith("Wall time"))
    rows = [[words(cell) for cell in row] for row in table.iter("tr")]
    assert rows == [
        ["stage", "load", "sample", "in all"],
        ["reference", "29.8 s", "1.10 s", ""],
        ["candidate", "3 min 05 s", "", ""],
        ["statistics", "", "", "0.310 s"],
        ["CPU time of all processes", "", "", "54.8 s"],
    ]


def test_settings_that_differ_are_marked_by_more_than_colour(audit: AuditResult):
    page = tree(render_html(audit))
    rows = {
        words(row.find("th")): [words(c) for c in row.findall("td")]
        for row in page.iter("tr")
        if row.find("th") is not None
    }
    assert rows["logprobs_mode"] == [
        "not reported",
        "not reported",
        "≠ raw_logprobs",
        "≠ processed_logprobs",
        "≠ processed_logprobs",
    ]
    assert not any("≠" in cell for cell in rows["dtype"])


@pytest.mark.parametrize("kept", [0, 2, 5])
def test_page_without_a_verdict_says_why(audit: AuditResult, kept: int):
    failed = dataclasses.replace(
        audit,
        verdict=None,
        reason="engine-died",
        message="the candidate engine stopped in the middle of its work\nhint: look at its log",
        cause=Cause.UNEXPLAINED,
        settings={},
        remedy=None,
        reward=None,
        smallest_detectable=None,
        arms=audit.arms[:kept],
    )
    header = words(tree(render_html(failed)).find(".//header"))
    assert "COULD NOT JUDGE engine-died the candidate engine stopped in the middle of its work" in header
    assert "hint" not in header
    assert "Message hint: look at its log" in words(tree(render_html(failed)).find(".//dl"))
    assert "PASS" not in header
    assert "FAIL" not in header


def test_what_was_not_judged_is_listed(audit: AuditResult):
    bare = dataclasses.replace(with_arm(audit, "candidate", against_trainer=None), reward=None, remedy=None)
    page = words(tree(render_html(bare)))
    assert "Reward: there is no reward comparison in this result." in page
    assert "A remedy: none was tried." in page
    assert "Candidate: not compared with the trainer's forward." in page


def test_hostile_text_is_shown_and_never_obeyed(audit: AuditResult):
    base = candidate(audit)
    check = Check(HOSTILE, 1.0, 0.5, 2.0, 0.1, HOSTILE, Verdict.FAIL, comparison=HOSTILE)
    arm = dataclasses.replace(
        base,
        name=HOSTILE,
        engine=HOSTILE,
        engine_class=HOSTILE,
        runner=HOSTILE,
        version=HOSTILE,
        note=HOSTILE,
        settings={HOSTILE: HOSTILE, "x": {HOSTILE: [HOSTILE]}},
        checks=(check,),
        worst=(WorstToken(0, 0, HOSTILE, -1.0, -2.0),),
    )
    hostile = dataclasses.replace(
        audit,
        reason=HOSTILE,
        message=HOSTILE,
        cause_evidence=HOSTILE,
        settings={HOSTILE: HOSTILE, "y": HOSTILE},
        remedy=dataclasses.replace(audit.remedy, settings={HOSTILE: HOSTILE}),
        reward=Reward(0, 0, Estimate(0.0), 0.1, 0.2, Verdict.PASS, HOSTILE),
        arms=(*audit.arms, arm),
        timing={HOSTILE: 1.0},
        model=HOSTILE,
        sampling={HOSTILE: HOSTILE},
        warnings=(HOSTILE,),
        tool=HOSTILE,
        created=HOSTILE,
    )
    page = render_html(hostile)
    parsed = tree(page)
    assert not list(parsed.iter("script"))
    assert not list(parsed.iter("b"))
    assert not [c for c in page if c != "\n" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl"}]
    assert page.encode("utf-8").count(b"&lt;script&gt;alert(1)&lt;/script&gt;") > 20
    assert "\\u202eevil\\u2066\\x00\\x1b[31m\\ud800\\u2028end" in page


def test_same_result_gives_the_same_page(audit: AuditResult, make_audit):
    assert render_html(audit) == render_html(make_audit())
    assert render_html(audit) != render_html(make_audit(seed=8))


def test_a_million_tokens_an_arm_stay_below_half_a_megabyte(make_audit):
    small = make_audit(tokens=20_000)
    arms = tuple(
        dataclasses.replace(
            arm,
            deltas=arm.deltas * 50,
            positions=arm.positions * 50,
            reference_logprobs=arm.reference_logprobs * 50,
        )
        for arm in small.arms
    )
    large = dataclasses.replace(small, arms=arms)
    assert len(candidate(large).deltas) == 1_000_000
    began = time.process_time()
    page = render_html(large)
    assert time.process_time() - began < 30
    assert len(page.encode("utf-8")) < 500_000


def test_ids_are_unique_and_every_picture_is_described(audit: AuditResult):
    parsed = tree(render_html(audit))
    ids = [node.get("id") for node in parsed.iter() if node.get("id")]
    assert len(ids) == len(set(ids))
    pictures = [svg for svg in parsed.iter("svg") if svg.get("aria-hidden") != "true"]
    assert len(pictures) > 10
    for svg in pictures:
        title, description = svg.find("title"), svg.find("desc")
        assert svg.get("role") == "img"
        assert svg.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
        assert title.text
        assert description.text


def test_row_and_column_headers_are_marked_as_such(audit: AuditResult):
    for table in tree(render_html(audit)).iter("table"):
        heads = [cell.get("scope") for cell in table.iter("th")]
        assert heads
        assert set(heads) <= {"col", "row", "rowgroup"}


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_have_the_contrast_wcag_asks_for(audit: AuditResult, theme: str):
    style = render_html(audit).split("<style>")[1].split("</style>")[0]
    light, dark = style.split("prefers-color-scheme: dark", 1)
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light))
    if theme == "dark":
        found |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", dark))
    for name in ("ink", "soft", "pass", "fail", "inconclusive", "none"):
        for ground in ("paper", "wash"):
            assert contrast(found[name], found[ground]) >= 4.5, (name, ground)
    assert contrast(found["ink"], found["mark"]) >= 4.5
    for ground in ("fail-wash", "inconclusive-wash"):
        assert contrast(found["ink"], found[ground]) >= 4.5
        assert contrast(found["soft"], found[ground]) >= 4.5
    for arm in ("reference", "floor", "candidate", "remedy", "flip1", "flip2", "flip3", "flip4"):
        assert contrast(found[arm], found["paper"]) >= 3, arm


def test_more_arms_than_are_drawn_are_named(audit: AuditResult):
    extra = tuple(
        dataclasses.replace(candidate(audit), name=f"flip:setting{k}", checks=(), worst=()) for k in range(7)
    )
    page = words(tree(render_html(dataclasses.replace(audit, arms=audit.arms + extra))))
    assert "Arms not drawn: flip setting4, flip setting5, flip setting6." in page


def test_tokens_outside_the_support_are_counted(audit: AuditResult):
    lost = sum(not math.isfinite(d) for d in candidate(audit).deltas)
    assert lost > 0
    assert f"which have no finite Δlogp: candidate {lost}, remedy 1" in words(tree(render_html(audit)))


def test_a_part_of_the_tokens_is_called_a_part(audit: AuditResult):
    assert "Drawn from a part" not in render_html(audit)
    finite = [k for k, d in enumerate(candidate(audit).deltas) if math.isfinite(d)][:1000]
    columns = {
        name: tuple(getattr(candidate(audit), name)[k] for k in finite)
        for name in ("deltas", "positions", "reference_logprobs")
    }
    page = words(tree(render_html(with_arm(audit, "candidate", **columns))))
    assert "Drawn from a part of the tokens: candidate 1,000 of 4,000;" in page
    assert "which have no finite Δlogp: candidate 7, remedy 1" in page


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("too-few-prompts", "because there are too few prompts"),
        ("underpowered", "because this run is too small to tell"),
        ("something-new", "because figures lie too close to their margins to tell"),
    ],
)
def test_inconclusive_headline_says_why(audit: AuditResult, reason: str, said: str):
    assert said in headline(dataclasses.replace(audit, verdict=Verdict.INCONCLUSIVE, reason=reason))


def test_headline_quotes_the_comparison_that_failed(audit: AuditResult):
    arm = candidate(audit)
    fine = Check("mean_abs", 0.001, 0.0, 0.002, 0.02, "", Verdict.PASS)
    bad = Check("k3", 0.5, 0.4, 0.6, 0.001, "", Verdict.FAIL, comparison="trainer")
    said = headline(with_arm(audit, "candidate", checks=(fine, bad)))
    assert said.endswith("KL k3 0.500 (margin 0.001)")
    assert f"against the trainer's forward mean |Δlogp| {arm.against_trainer.mean_abs.value:.3f}" in said


def test_pass_headline(audit: AuditResult):
    remedy = next(arm for arm in audit.arms if arm.name == "remedy")
    passed = dataclasses.replace(
        audit, verdict=Verdict.PASS, arms=(audit.arms[0], dataclasses.replace(remedy, name="candidate"))
    )
    assert "keeps the learning signal" in headline(passed)
    assert headline(passed).endswith("no token clipped with an unmoved policy")
