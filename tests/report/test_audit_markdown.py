"""The audit as Markdown: rendered by a Markdown parser, so that what is read is what was meant."""

from __future__ import annotations

import dataclasses
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from vllm_migrate.audit.result import AuditResult, Verdict, WorstToken
from vllm_migrate.audit.sections import Advice, Invariant, SyncCase
from vllm_migrate.report.audit_markdown import render_markdown
from vllm_migrate.report.markdown_text import LONGEST, code, fenced, prose, table

HOSTILE = (
    "<script>alert(1)</script> @octocat #1 | ` ``` [x](http://evil.example) ![i](x) **b** ~~s~~ $m$ "
    "www.evil.example\n\n# heading\n- item\n\x1b[31m\u202eevil\ud800"
)
PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def parsed(text: str) -> str:
    return PARSER.render(text)


def words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", parsed(text)).split())


def test_verdict_cause_and_settings_come_first(full: AuditResult):
    text = render_markdown(full)
    assert text.startswith("## ❌ vllm-migrate audit: FAIL\n")
    assert text.index("raw-instead-of-processed-logprobs") < text.index('logprobs_mode="processed_logprobs"')
    assert text.index('logprobs_mode="processed_logprobs"') < text.index("| figure |")


def test_every_part_is_there(full: AuditResult):
    said = words(render_markdown(full))
    for part in (
        "What to do next",
        "no stale prefix blocks after an update ✕ broken",
        "What each change removes",
        "removes 96.2% [95.8%, 96.6%]",
        "Weight updates, against a cold engine",
        "911 of 2,048",
        "Speed to earn back",
        "1.31x [1.28x, 1.35x]",
        "KL over the top tokens (notable)",
        "below 0.001",
        "Tokens that moved most",
        "temperature 0.7 was read from sampling.yaml",
    ):
        assert part in said, part


def test_empty_parts_say_nothing(audit: AuditResult):
    said = words(render_markdown(audit))
    for part in (
        "invariant",
        "What each change removes",
        "Weight updates",
        "Speed",
        "Diagnostics",
        "By band",
    ):
        assert part not in said


def test_tables_are_tables(full: AuditResult):
    html = parsed(render_markdown(full))
    assert html.count("<table>") >= 8
    assert "| ---" not in html


def test_an_audit_that_could_not_judge_says_why(audit: AuditResult):
    stopped = dataclasses.replace(
        audit, verdict=None, reason="engine-died", message="the engine died\nhint: look", arms=(), reward=None
    )
    said = words(render_markdown(stopped))
    assert "NOT JUDGED the engine died hint: look Reason: engine-died" in said


def test_hostile_text_is_read_as_text(full: AuditResult):
    candidate = next(arm for arm in full.arms if arm.name == "candidate")
    worst = (WorstToken(0, 0, HOSTILE, -1.0, -2.0, before=(HOSTILE,), after=(HOSTILE,)),)
    hostile = dataclasses.replace(
        full,
        arms=(dataclasses.replace(candidate, worst=worst, version=HOSTILE),),
        message=HOSTILE,
        cause_evidence=HOSTILE,
        settings={"x": HOSTILE},
        reward=dataclasses.replace(full.reward, function=HOSTILE),
        invariants=(Invariant("x|y", holds=None, note=HOSTILE),),
        sync=(SyncCase(HOSTILE, HOSTILE, prefix_caching=True, reset=False, note=HOSTILE),),
        advice=(Advice(HOSTILE, HOSTILE, {"y": HOSTILE}),),
        warnings=(HOSTILE,),
        model=HOSTILE,
        sampling={"z": HOSTILE},
        created=HOSTILE,
    )
    html = parsed(render_markdown(hostile))
    assert not re.search(r"<(script|img|a |del|em>|h1|h3)", html)
    outside_code = re.sub(r"<(code|pre)\b.*?</\1>", "", html, flags=re.DOTALL)
    assert "@octocat" not in outside_code
    assert "#1" not in outside_code
    assert not {"\x1b", "\u202e", "\ud800"} & set(html)
    rows = [re.findall(r"<t[dh]\b", row) for row in re.findall(r"<tr>.*?</tr>", html, flags=re.DOTALL)]
    assert {len(row) for row in rows} <= {3, 4, 5, 6, 7, 8}


@given(st.text(max_size=60))
@example("_\x1f_")
def test_any_text_survives_as_prose_and_as_code(text: str):
    head, cells = ["a", "b"], [prose(text), code(text)]
    html = parsed(table(head, [cells]))
    assert html.count("<td>") == 2
    assert set(re.findall(r"<(\w+)", html)) <= {"table", "thead", "tbody", "tr", "th", "td", "code"}


@given(st.text(max_size=60))
def test_any_text_stays_inside_its_fence(text: str):
    html = parsed(fenced(text, "python"))
    assert html.startswith("<pre><code")
    assert html.count("<pre>") == html.count("</pre>") == 1
    assert html.rstrip().endswith("</code></pre>")


@pytest.mark.parametrize("text", ["1. one", "- x", "= x", "12) x", "+ x", "> x", "# x", "==="])
def test_prose_opens_no_block(text: str):
    assert parsed(prose(text)).startswith("<p>")


def test_a_comment_is_never_too_long(full: AuditResult):
    long = dataclasses.replace(full, warnings=tuple(f"warning {k} {'x' * 400}" for k in range(300)))
    text = render_markdown(long)
    assert len(text) < LONGEST + 1000
    assert "Left out for length, see the HTML or JSON report: warnings." in text


def test_pass_is_green(audit: AuditResult):
    assert render_markdown(dataclasses.replace(audit, verdict=Verdict.PASS)).startswith("## ✅")
