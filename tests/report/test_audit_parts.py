"""The further parts of a result on the page and in the terminal. The results are plain numbers (full.py)."""

from __future__ import annotations

import dataclasses
import math
import re
import unicodedata
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from reward_reports import HOSTILE_REPORT

from vllm_migrate.audit.result import AuditResult, RewardBin, WorstToken
from vllm_migrate.audit.sections import Advice, Ladder, PromptShift, Rung
from vllm_migrate.report.audit_html import render_html
from vllm_migrate.report.audit_html.bands import MOST_PROMPTS_DRAWN
from vllm_migrate.report.audit_terminal import WIDTH, render_text
from vllm_migrate.statistics.verdict import Estimate, Verdict

HOSTILE = "</script><script>alert(1)</script>\"'&<b>\u202eevil\u2066\x00\x1b[31m\ud800\u2028end"
PARTS = {
    "diagnostics": (),
    "bands": (),
    "forest": (),
    "ladder": None,
    "invariants": (),
    "sync": (),
    "speed": (),
    "advice": (),
    "assumptions": (),
    "settings_table": (),
    "code": None,
    "reward_check": None,
}


def tree(page: str) -> ET.Element:
    return ET.fromstring(page.partition("\n")[2])  # noqa: S314 - our own page; strict parsing is the test


def words(node: ET.Element) -> str:
    return " ".join(" ".join(node.itertext()).split())


def section(page: str, title: str) -> ET.Element:
    found = [node for node in tree(page).iter("section") if node.find("h2").text == title]
    assert len(found) == 1, title
    return found[0]


def forest(part: ET.Element) -> ET.Element:
    return next(node for node in part.iter("figure") if words(node).startswith("Prompt by prompt"))


def by_band(part: ET.Element) -> ET.Element:
    return next(node for node in part.iter("table") if "Position in the completion" in words(node))


def hostile_like(value: Any) -> Any:
    """The same value with every text in it replaced."""
    if isinstance(value, (Verdict, bool)) or value is None:
        return value
    if isinstance(value, str):
        return HOSTILE
    if isinstance(value, (tuple, list)):
        return tuple(map(hostile_like, value))
    if isinstance(value, dict):
        return {HOSTILE: HOSTILE}
    if dataclasses.is_dataclass(value) and type(value).__module__.endswith(("sections", "verdict")):
        changes = {
            field.name: hostile_like(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
        return dataclasses.replace(value, **changes)
    return value


def hostile(full: AuditResult) -> AuditResult:
    changed = {name: hostile_like(getattr(full, name)) for name in {*PARTS} - {"code", "reward_check"}}
    worst = (WorstToken(0, 0, HOSTILE, -1.0, -2.0, before=(HOSTILE, HOSTILE), after=(HOSTILE,)),)
    arms = tuple(dataclasses.replace(arm, worst=worst, note=HOSTILE, version=HOSTILE) for arm in full.arms)
    return dataclasses.replace(
        full,
        **changed,
        arms=arms,
        message=HOSTILE,
        cause_evidence=HOSTILE,
        settings={HOSTILE: HOSTILE},
        warnings=(HOSTILE,),
        code=dataclasses.replace(full.code, what=HOSTILE),
        reward_check=HOSTILE_REPORT,
    )


def test_an_empty_part_says_nothing(full: AuditResult):
    bare = dataclasses.replace(full, **PARTS, reward=None)
    titles = [node.find("h2").text for node in tree(render_html(bare)).iter("section")]
    assert titles == [
        "What was judged",
        "Where the divergence is",
        "Tokens that moved most",
        "All figures",
        "What ran",
        "Limits of this run",
    ]
    said = render_text(bare)
    for word in ("invariants", "ladder", "weight updates", "notable", "speed", "next:"):
        assert word not in said


def test_the_ladder_shows_every_rung_its_control_and_what_is_left(full: AuditResult):
    said = words(section(render_html(full), "Why it differs"))
    for part in (
        "Raw instead of processed logprobs semantic logprobs_mode=processed_logprobs in the running engine",
        "96.2% [95.8%, 96.6%]",
        "raw equals reported before, not after",
        "on top of logprobs_mode=processed_logprobs",
        "against the trainer's forward",
        "GPUs only",
        "All changes together leave 1.70% [1.50%, 1.90%] of the excess.",
        "0.400% of the excess less than the sum",
    ):
        assert part in said, part


def test_the_waterfall_draws_each_change_from_before_to_after(full: AuditResult):
    figure = section(render_html(full), "Why it differs").find(".//figure")
    bars = [node for node in figure.iter("path") if "bar" in node.get("class")]
    assert [node.get("class") for node in bars] == [
        "bar arm-candidate",
        "bar arm-remedy",
        "bar arm-remedy",
        "bar arm-flip4",  # it made things worse
        "bar arm-floor",
    ]
    spans = [
        tuple(map(float, re.match(r"M([\d.]+) [\d.]+h([\d.]+)", node.get("d")).groups())) for node in bars
    ]
    whole, first, second = spans[0][1], spans[1], spans[2]
    assert first[0] + first[1] == pytest.approx(spans[0][0] + whole, abs=0.2)
    assert second[0] + second[1] == pytest.approx(first[0], abs=0.2)
    assert first[1] / whole == pytest.approx((0.4 - 0.0171) / 0.4, abs=0.01)


@pytest.mark.parametrize(
    "ladder",
    [
        Ladder("mean_abs", Estimate(0.0), note="nothing beyond the noise floor to explain"),
        Ladder("mean_abs", Estimate(0.0), (Rung("batching", "path", {}, "live", Estimate(0.0), 0.0, 0.0),)),
        Ladder("mean_abs", Estimate(1e-9), (Rung("x", "", {}, "signature", note="not run"),)),
        Ladder("mean_abs", Estimate(0.1), (Rung("x", "", {}, "live", None, 0.1, None, note="died"),)),
        Ladder(
            "mean_abs",
            Estimate(0.1),
            (Rung("x", "", {}, "live", Estimate(-3.0), 0.1, 0.4),),
            residual=Estimate(4.0),
        ),
    ],
)
def test_awkward_ladders_are_drawn_or_said(full: AuditResult, ladder: Ladder):
    result = dataclasses.replace(full, ladder=ladder)
    page = render_html(result)
    assert not re.search(r'(?:\bd|[xy][12]?)="[^"]*(?:nan|inf)', page)
    said = words(section(page, "Why it differs"))
    for rung in ladder.rungs:
        assert rung.note in said
    assert ladder.note in said
    assert render_text(result)


def test_invariants_stand_with_the_gates_and_say_why_one_was_not_tried(full: AuditResult):
    said = words(section(render_html(full), "What was judged"))
    assert "no stale prefix blocks after an update ✕ broken 0.000310 nats 0 2,048" in said
    assert "? not tried no trainer with a float32 head was given" in said


def test_weight_updates_by_engine(full: AuditResult):
    said = words(section(render_html(full), "Weight updates"))
    assert "reload on no as configured ✕ differs 911 of 2,048 1.00e-5 0.000310 0.210" in said
    assert "? not tried no AsyncLLM in this engine" in said
    assert "in-place off no float32 ✓ as a cold engine 0 of 2,048" in said
    assert "5 old, 9 new, 1 mixed" in said


def test_speed_and_advice(full: AuditResult):
    page = render_html(full)
    speed = words(section(page, "Speed to earn back"))
    assert "enable_prefix_caching=True ✓ PASS 1.31x [1.28x, 1.35x] ✓ recommended" in speed
    assert "async_scheduling=True ? INCONCLUSIVE forced off on CPU" in speed
    assert "nan" not in speed
    assert words(section(page, "What to do next")).startswith("What to do next Report processed logprobs")


def test_bands_have_a_dot_each_where_a_logarithm_has_room(full: AuditResult):
    part = by_band(section(render_html(full), "Where the divergence is"))
    dots = [len(list(row.iter("circle"))) for row in part.iter("tr") if row.find(".//td") is not None]
    assert dots == [1, 1, 1, 1, 1, 1, 1, 0]
    assert "above 0.5 2,198 0 [0, 0]" in words(part)


def test_the_forest_is_sorted_and_its_extremes_are_listed(full: AuditResult):
    figure = forest(section(render_html(full), "Where the divergence is"))
    places = [float(dot.get("cx")) for dot in figure.iter("circle")]
    assert len(places) == len(full.forest)
    assert places == sorted(places)
    listed = [words(row) for row in figure.find(".//table").iter("tr")][1:]
    assert listed[0].startswith(str(max(full.forest, key=lambda s: abs(s.estimate.value)).prompt))


def test_a_forest_of_many_prompts_is_cut_in_the_middle_and_says_so(full: AuditResult):
    many = tuple(PromptShift(k, Estimate(math.sin(k)), 10) for k in range(5000))
    part = section(render_html(dataclasses.replace(full, forest=many)), "Where the divergence is")
    assert len(list(forest(part).iter("circle"))) == MOST_PROMPTS_DRAWN
    assert "The 80 lowest and the 80 highest of 5,000 are drawn." in words(part)


def test_rewards_are_drawn_side_by_side_and_counted(full: AuditResult):
    part = section(render_html(full), "Rewards")
    assert "0.5 30 (5.86%) 26 (5.08%)" in words(part)
    bars = [node.get("d").count("M") for node in part.iter("path") if node.get("class").startswith("bar ")]
    assert bars == [3, 3]


def test_ranges_of_rewards_are_named_by_their_edges(full: AuditResult):
    bins = tuple(RewardBin(k / 20, (k + 1) / 20, k, 20 - k) for k in range(20))
    result = dataclasses.replace(full, reward=dataclasses.replace(full.reward, distribution=bins))
    assert "0.95 to 1 19 (10.0%) 1 (0.476%)" in words(section(render_html(result), "Rewards"))


def test_tokens_stand_in_their_places(full: AuditResult):
    place = section(render_html(full), "Tokens that moved most").find(".//td[@class='place']")
    candidate = next(arm for arm in full.arms if arm.name == "candidate")
    assert "".join(place.itertext()) == f"The sum is 4{candidate.worst[0].token} plus 5\\n"
    assert [node.text for node in place.iter("mark")] == [None]
    assert "".join(place.find(".//mark").itertext()) == candidate.worst[0].token


def test_what_was_read_in_the_code_is_listed(full: AuditResult):
    said = words(section(render_html(full), "What ran"))
    assert "LLM at train.py:25 . Your code was read, not run." in said
    assert "dtype engine bfloat16 run.yaml:3 taken" in said
    assert "max_model_len engine os.environ['LEN'] train.py:25 not resolved set at run time" in said
    assert "logprobs_mode processed_logprobs ≠ raw_logprobs processed_logprobs default yes" in said


def test_ids_stay_unique_and_pictures_described(full: AuditResult):
    parsed = tree(render_html(full))
    ids = [node.get("id") for node in parsed.iter() if node.get("id")]
    assert len(ids) == len(set(ids))
    for svg in (node for node in parsed.iter("svg") if node.get("aria-hidden") != "true"):
        assert svg.find("title").text
        assert svg.find("desc").text


def test_hostile_text_is_shown_and_never_obeyed_on_the_page(full: AuditResult):
    page = render_html(hostile(full))
    parsed = tree(page)
    assert not list(parsed.iter("script"))
    assert not list(parsed.iter("b"))
    assert not [c for c in page if c != "\n" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl"}]
    assert page.count("&lt;script&gt;alert(1)") > 60


def test_hostile_text_does_not_steer_the_terminal(full: AuditResult):
    said = render_text(hostile(full))
    assert not [c for c in said if c != "\n" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl"}]
    assert "alert(1)" in said
    assert said.encode("utf-8")


def test_the_terminal_says_what_is_broken_and_what_to_do(full: AuditResult):
    said = render_text(full)
    for part in (
        "invariants: 1 of 3 hold",
        "BROKEN no stale prefix blocks after an update: 0.000310 nats (allowed 0)",
        "not tried head in float32 on both sides",
        "96.2% logprobs_mode=processed_logprobs",
        "2.1% head_dtype=float32",
        "2 others: each less than 1%",
        "differs reload (v1@0.32.0, prefix caching on): 911 of 2,048 tokens differ",
        "left by all together: 1.7%; interaction: -0.4%",
        "weight updates: 2 of 3 ways leave the engine as a cold one; 1 could not be tried",
        "notable: ",
        "speed: 1 of 2 optimisations can be turned on again",
        "INCONCLUSIVE async_scheduling=True: forced off on CPU",
        "next: Report processed logprobs",
    ):
        assert part in said, part


def test_the_terminal_does_not_say_the_cause_twice(full: AuditResult):
    again = Advice("Set it", f"as seen: {full.cause_evidence}")
    other = Advice("Something else", "for a reason")
    said = render_text(dataclasses.replace(full, advice=(again, other)))
    assert "next: Set it" not in said
    assert "next: Something else" in said


def test_the_terminal_report_keeps_to_its_width(full: AuditResult):
    assert max(map(len, render_text(full).splitlines())) <= WIDTH


def test_no_colour_unless_asked(full: AuditResult):
    assert "\x1b" not in render_text(full)
    assert "\x1b" in render_text(full, colour=True)


def test_a_full_page_stays_small(full: AuditResult):
    assert len(render_html(full).encode("utf-8")) < 300_000
