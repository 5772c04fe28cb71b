"""The pictures: what is drawn must be what is in the arm, also where values are missing or infinite."""

from __future__ import annotations

import ast
import dataclasses
import re
import shlex
from typing import TYPE_CHECKING

import numpy as np
import pytest

from vllm_migrate.report.audit_html import bins, plots, svg
from vllm_migrate.report.audit_html.markup import text, visible
from vllm_migrate.report.audit_html.page import render_html
from vllm_migrate.report.numbers import given, limit, number, percent, seconds
from vllm_migrate.report.settings_code import python_keywords, serve_flags

if TYPE_CHECKING:
    from vllm_migrate.audit.result import Arm, AuditResult

INF, NAN = float("inf"), float("nan")


def arm_with(audit: AuditResult, deltas: list[float], **changed: object) -> Arm:
    size = len(deltas)
    columns = {"positions": tuple(range(size)), "reference_logprobs": (-1.0,) * size}
    return dataclasses.replace(audit.arms[2], deltas=tuple(deltas), **{**columns, **changed})


def drawn(arm: Arm) -> list[plots.Curve]:
    return plots.curves([arm], {arm.name: "arm-candidate"})


@pytest.mark.parametrize(
    ("deltas", "changed"),
    [
        ([0.0], {}),
        ([0.0] * 100, {}),
        ([-INF], {}),
        ([NAN, INF, -INF], {}),
        ([NAN, INF, -INF, 0.25], {}),
        ([1e-300, -1e-300], {}),
        ([700.0, -700.0, 1e300], {}),
        ([0.1, 0.2], {"positions": (), "reference_logprobs": ()}),
        ([0.1, 0.2], {"positions": (5, 5), "reference_logprobs": (0.0, 0.0)}),
        ([0.1, 0.2], {"reference_logprobs": (-INF, -1.0)}),
        ([0.1, 0.2], {"positions": (1,)}),
        ([0.0, 0.1, 0.0, 0.2], {}),
    ],
)
def test_awkward_columns_are_drawn_or_left_out_but_never_break(audit: AuditResult, deltas, changed):
    arms = (audit.arms[0], arm_with(audit, deltas, **changed))
    page = render_html(dataclasses.replace(audit, arms=arms)).split("</style>")[1]
    numbers = " ".join(re.findall(r'\b(?:d|[xy][12]?|c[xy])="([^"]*)"', page))
    assert not re.search(r"nan|inf|e[+-]?\d", numbers)


@pytest.mark.parametrize("clip_range", [1e-6, 0.02, 0.2, 1.0, 3.0])
def test_any_clip_range_can_be_drawn(audit: AuditResult, clip_range: float):
    assert "Policy ratio before" in render_html(
        dataclasses.replace(audit, clip_range=clip_range, clip_range_high=clip_range)
    )


def test_a_candidate_that_overstates_probability_has_ratios_below_one(audit: AuditResult):
    picture = plots.ratio_histograms(drawn(arm_with(audit, [0.5] * 10)), (0.8, 1.2))[0]
    bars = re.search(r'class="bar arm-candidate" d="([^"]*)"', picture)[1]
    clip = sorted(float(x) for x in re.findall(r'class="clip" x1="([\d.]+)"', picture))
    assert len(re.findall("M", bars)) == 1
    assert float(re.match(r"M([\d.]+)", bars)[1]) < clip[0]


def test_histogram_loses_no_token():
    values = np.array([-5.0, -0.1, 0.0, 0.0, 0.1, 9.0])
    counts, beyond = bins.histogram(values, 1.0, 81)
    assert sum(counts) == 4
    assert beyond == 2
    assert counts[40] == 2


def test_exceedance_is_the_empirical_distribution():
    values = np.array([0.15, -0.25, 0.3, -0.45])
    points = bins.exceedance(values, 0.05, 0.8, 5)
    assert [x for x, _ in points] == pytest.approx([0.05, 0.1, 0.2, 0.4])
    assert [share for _, share in points] == [1.0, 1.0, 0.75, 0.25]


def test_position_bins_hold_all_tokens_and_their_means():
    rng = np.random.default_rng(0)
    positions = rng.integers(0, 200, 5000).astype(float)
    deltas = positions / 100
    steps = bins.mean_by_position(positions, deltas, 8)
    assert steps[0][0] == 0
    assert steps[-1][1] == 200
    assert [a[1] for a in steps[:-1]] == [b[0] for b in steps[1:]]
    for start, end, mean in steps:
        inside = (positions >= start) & (positions < end)
        assert mean == pytest.approx(deltas[inside].mean())


def test_density_loses_no_token():
    rng = np.random.default_rng(1)
    x, y = -rng.exponential(size=1000), rng.normal(size=1000)
    grid = bins.density(x, y, (-2.0, 0.0), (-1.0, 1.0))
    assert sum(map(sum, grid.rows)) + grid.beyond == 1000
    assert grid.beyond > 0


def test_lines_are_thinned_to_a_bounded_number_of_points(audit: AuditResult):
    rng = np.random.default_rng(2)
    picture = plots.exceedance(drawn(arm_with(audit, list(rng.normal(size=50_000)))), 0.02, 0.003)
    line = re.search(r'class="curve arm-candidate" d="([^"]*)"', picture)[1]
    assert 50 < line.count("L") <= 140
    assert "margin 0.02" in picture
    assert "noise floor 0.00300" in picture


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (1, 5000, [1, 10, 100, 1000]),
        (0.8, 9, [1, 2, 5]),
        (1e-12, 1, [1e-12, 1e-9, 1e-6, 1e-3, 1]),
    ],
)
def test_log_ticks(low: float, high: float, ticks: list[float]):
    assert svg.log_ticks(low, high) == ticks


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.10349, "0.103"),
        (0.0, "0"),
        (0.9996, "1.00"),
        (0.00031, "0.000310"),
        (0.000042, "4.20e-5"),
        (-12.345, "-12.3"),
        (12345.6, "12346"),
        (1234567.0, "1.23e6"),
        (-INF, "-inf"),
        (NAN, "nan"),
    ],
)
def test_numbers_have_three_significant_digits_and_parse(value: float, shown: str):
    assert number(value) == shown
    assert float(shown) == pytest.approx(value, rel=5e-3, nan_ok=True)


def test_shares_margins_and_durations():
    assert percent(0.16349) == "16.3%"
    assert percent(0.0) == "0%"
    assert percent(1.0) == "100%"
    assert limit(0.02) == "0.02"
    assert limit(0.030419823) == "0.0304"
    assert limit(0.001, "share") == "0.1%"
    assert given(1 - 0.2) == "0.8"
    assert given(1 + 3e-4) == "1.0003"
    assert seconds(12.04) == "12.0 s"
    assert seconds(185) == "3 min 05 s"
    assert seconds(59.99) == "60.0 s"


def test_text_keeps_lines_and_literals_show_them():
    assert text("a\nb\tc") == "a\nb\\tc"
    assert visible("a\nb") == "a\\nb"
    assert visible("שלום") == "שלום"
    assert visible("x" * 500).endswith("… (500 characters)")
    assert text("\x7f\x85\u200f\ufeff") == "\\x7f\\x85\\u200f\\ufeff"


def test_settings_code_is_code():
    settings = {
        "logprobs_mode": 'odd "quoted" $(rm) \u202e',
        "hf_overrides": {"head_dtype": "float32", "deep": [1, True, None]},
        "enable_prefix_caching": False,
        "enforce_eager": True,
        "seed": None,
        "class": 1,
        "not a name; rm": "x",
    }
    call = ast.parse(python_keywords(settings), mode="eval").body
    written = {}
    for keyword in call.keywords:
        value = ast.literal_eval(keyword.value)
        written.update({keyword.arg: value} if keyword.arg else value)
    assert written == settings
    flags = shlex.split(serve_flags(settings))
    assert flags[:3] == ["vllm", "serve", "..."]
    assert flags[flags.index("--logprobs-mode") + 1] == settings["logprobs_mode"]
    assert "--no-enable-prefix-caching" in flags
    assert "--enforce-eager" in flags
    assert "--seed" not in flags
    assert "--not a name; rm" in flags
