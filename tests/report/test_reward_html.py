"""The page on a reward."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
from reward_reports import ALL, FULL, HOSTILE_REPORT, TWO_ENGINES, UNASKED

from vllm_migrate.report.reward_html import render_html
from vllm_migrate.report.reward_html.plots import spread_of

if TYPE_CHECKING:
    from vllm_migrate.reward.outcome import RewardReport


def tree(page: str) -> ET.Element:
    doctype, _, rest = page.partition("\n")
    assert doctype == "<!DOCTYPE html>"
    return ET.fromstring(rest)  # noqa: S314 - our own page; strict parsing is the test


def words(node: ET.Element) -> str:
    return " ".join("".join(node.itertext()).split())


@pytest.mark.parametrize("report", ALL)
def test_the_page_is_well_formed_needs_nothing_from_outside_and_runs_nothing(report: RewardReport):
    page = render_html(report)
    root = tree(page)
    style, _, body = page.partition("</style>")
    assert not re.search(r"<script|<link|<iframe|src=|href=|url\(", body.replace("&lt;", ""))
    assert not [
        name for node in root.iter() for name in node.attrib if name.startswith("on") or name == "style"
    ]
    assert not re.search(r"@import|url\(|https?:", style)
    assert "default-src 'none'" in page
    hidden = {c for c in page if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and c != "\n"}
    assert not hidden
    assert page == render_html(report)


@pytest.mark.parametrize("report", ALL)
def test_no_id_is_given_twice(report: RewardReport):
    ids = [node.get("id") for node in tree(render_html(report)).iter() if node.get("id")]
    assert len(ids) == len(set(ids))


def test_every_probe_stands_in_the_table_with_figure_limits_and_source():
    said = words(tree(render_html(FULL)).find(".//main"))
    for check in FULL.checks:
        assert check.probe in said
        assert check.message in said
        if check.limits is not None:
            assert check.limits.source in said
    assert "0.620 [0.510, 0.700]" in said
    assert "60.0% [43.0%, 75.0%]" in said


def test_findings_quote_all_their_examples():
    root = tree(render_html(FULL))
    quotes = [words(node) for node in root.iter("blockquote")]
    assert (quotes[0], quotes[2]) == (
        "First text.",
        "Second text.",
    )  # another change goes before a second text
    assert "alert(1)" in quotes[1]
    assert "padded: 0.250 → 0.750" in words(root.find(".//main"))


def test_one_histogram_for_every_engine():
    alone, both = tree(render_html(FULL)), tree(render_html(TWO_ENGINES))

    def bars(root: ET.Element) -> list[str]:
        return [
            node.get("class") for node in root.iter("path") if (node.get("class") or "").startswith("bar ")
        ]

    assert bars(alone) == ["bar arm-reference"]
    assert bars(both) == ["bar arm-reference", "bar arm-candidate"]
    assert "V1 0.32.0 <&" in words(both.find(".//main"))


def test_the_spline_is_drawn_over_the_points_and_nothing_where_there_is_none():
    assert 'class="curve fitted"' in render_html(FULL)
    assert 'class="points"' in render_html(FULL)
    assert (
        'class="curve fitted"' not in render_html(dataclasses.replace(FULL, curve=None)).split("</style>")[1]
    )


def test_a_page_without_a_verdict_says_why():
    said = words(tree(render_html(UNASKED)).find(".//main"))
    assert "COULD NOT JUDGE" in said
    assert "o reward file at nowhere.py" in said
    assert "look again" in said


def test_hidden_characters_of_a_text_are_shown():
    assert "\\u202eevil\\u2066\\x00\\x1b[31m" in words(tree(render_html(HOSTILE_REPORT)))


def test_rewards_are_counted_in_common_bins():
    found = spread_of([[0.0, 1.0, 1.0], [1.0, None, float("nan"), 0.5]])
    assert found.edges == ((0.0, 0.0), (0.5, 0.5), (1.0, 1.0))
    assert found.counts == ((1, 0, 2), (0, 1, 1))
    many = spread_of([[n / 99 for n in range(100)]])
    assert len(many.edges) == 20
    assert sum(many.counts[0]) == 100
    assert (many.edges[0][0], round(many.edges[-1][1], 9)) == (0.0, 1.0)


def test_ranges_that_can_not_be_divided_are_one_bin():
    wide = [-1.7e308, 1.7e308, *range(20)]
    narrow = [1.0 + n * 2**-52 for n in range(14)]
    assert len(spread_of([wide]).edges) == len(spread_of([narrow]).edges) == 1
    assert spread_of([wide]).counts == ((22,),)
    assert spread_of([[]]).edges == ()
