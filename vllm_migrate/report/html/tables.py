"""The tables of the HTML report: arms by metric, gates, settings, the tokens that moved most."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from vllm_migrate.audit.result import Arm, Check, Metrics, Verdict, WorstToken
from vllm_migrate.report.html.gate_bars import gate_axis, gate_bar
from vllm_migrate.report.html.markup import estimate, phrase, text, visible
from vllm_migrate.report.numbers import count, in_unit, interval, limit, number, seconds
from vllm_migrate.report.settings_code import python_source
from vllm_migrate.report.words import (
    COMPARISONS,
    MARKS,
    METRICS,
    arm_label,
    engine_label,
    figure,
    meaning,
    words_for,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WORST_SHOWN = 20
"""How many of the tokens that moved most are shown for each arm."""


def verdict_mark(verdict: Verdict | None) -> str:
    """The verdict as mark and word."""
    if verdict is None:
        return '<span class="small">not judged</span>'
    return f'<span class="verdict {verdict.value.lower()}">{MARKS[verdict]} {verdict.value}</span>'


def table(caption: str, head: Sequence[str], body: str, css: str = "") -> str:
    """A table that scrolls sideways where it does not fit. All arguments are markup."""
    cells = "".join(cell if cell.startswith("<th") else f'<th scope="col">{cell}</th>' for cell in head)
    return (
        f'<div class="scroll"><table class="{css}"><caption>{caption}</caption>'
        f"<thead><tr>{cells}</tr></thead>{body}</table></div>"
    )


def arms_table(arms: Sequence[Arm], swatches: Mapping[str, str]) -> str:
    """What ran: one row per arm. `swatches` maps an arm's name to its piece of line."""
    rows = "".join(
        f'<tr><th scope="row">{swatches[arm.name]}{text(arm_label(arm))}</th>'
        f"<td>{text(engine_label(arm))}</td><td>{text(arm.engine)}</td>"
        f'<td class="mono">{text(arm.engine_class)}</td><td class="mono">{text(arm.runner)}</td>'
        f'<td>{verdict_mark(arm.verdict)}</td><td class="wrap">{text(arm.note)}</td></tr>'
        for arm in arms
    )
    caption = "Engine class and model runner were read from the running engine."
    head = ["arm", "ran", "engine", "engine class", "model runner", "verdict", "note"]
    return table(caption, head, f"<tbody>{rows}</tbody>", "sticky")


def metrics_table(
    caption: str,
    comparison: str,
    chosen: Sequence[tuple[Arm, Metrics]],
    swatches: Mapping[str, str],
    explained: tuple[float, float] | None,
) -> str:
    """Every figure of the arms side by side, with the margins they were judged by.

    Args:
        caption: plain text.
        comparison: which of the arms' comparisons this is, as in `Check.comparison`.
        chosen: the arms and their figures.
        swatches: each arm's piece of line, markup.
        explained: the bounds of the clip range, where each figure is to be explained; None leaves the
            explanations out.
    """
    checks = [{c.metric: c for c in arm.checks if c.comparison == comparison} for arm, _ in chosen]
    margins = {name: check.margin for found in checks for name, check in found.items()}
    head = ['<th scope="col">figure</th>']
    head += [f"{swatches[arm.name]}{text(arm_label(arm))}" for arm, _ in chosen]
    head += ["margin"] if margins else []
    rows = []
    for name, words in METRICS.items():
        cells = [
            _metric_cell(metrics, name, found.get(name))
            for (_, metrics), found in zip(chosen, checks, strict=True)
        ]
        if margins:
            cells.append(f'<td class="n">{limit(margins[name], words.unit) if name in margins else ""}</td>')
        why = "" if explained is None else f'<span class="why">{text(meaning(name, explained))}</span>'
        rows.append(f'<tr><th scope="row">{phrase(words.label)}{why}</th>{"".join(cells)}</tr>')
    for name in ("tokens", "prompts"):
        counts = [f'<td class="n">{count(getattr(metrics, name))}</td>' for _, metrics in chosen]
        rows.append(f'<tr><th scope="row">{name}</th>{"".join(counts)}{"<td></td>" if margins else ""}</tr>')
    return table(text(caption), head, f"<tbody>{''.join(rows)}</tbody>", "sticky")


def _metric_cell(metrics: Metrics, name: str, check: Check | None) -> str:
    words = words_for(name)
    css = "n beyond" if check is not None and check.verdict is Verdict.FAIL else "n"
    return f'<td class="{css}">{estimate(figure(metrics, name), words.unit, words.digits)}</td>'


def gates_table(arms: Sequence[Arm], css: Mapping[str, str], swatches: Mapping[str, str]) -> str:
    """Each gating figure against its margin, grouped by arm, and where the margins come from.

    Args:
        arms: those that have checks.
        css: each arm's class.
        swatches: each arm's piece of line, markup.
    """
    groups = []
    for index, arm in enumerate(arms):
        title = f"{swatches[arm.name]}{text(arm_label(arm))} {verdict_mark(arm.verdict)}"
        rows = [
            _gate_row(check, css[arm.name], f"gate-{index}-{row}") for row, check in enumerate(arm.checks)
        ]
        groups.append(
            '<tbody class="group">'
            f'<tr><th scope="rowgroup" colspan="7">{title}</th></tr>{"".join(rows)}</tbody>'
        )
    caption = (
        "PASS needs equivalence shown, FAIL a difference beyond the margin shown; anything else is "
        "INCONCLUSIVE. Bars show the distance from the ideal value in margins, whiskers the interval."
    )
    axis = f'<th class="bar" scope="col">{gate_axis()}</th>'
    head = ["figure", "compared with", "verdict", "value", "95% interval", "margin", axis]
    return table(caption, head, "".join(groups), "sticky") + _margin_sources(arms)


def _gate_row(check: Check, css: str, key: str) -> str:
    words = words_for(check.metric)
    against = COMPARISONS.get(check.comparison, check.comparison)
    return (
        f'<tr><th scope="row">{phrase(words.label)}</th><td>{text(against)}</td>'
        f"<td>{verdict_mark(check.verdict)}</td>"
        f'<td class="n">{in_unit(check.value, words.unit, words.digits)}</td>'
        f'<td class="n">{interval(check.low, check.high, words.unit) or "none"}</td>'
        f'<td class="n">{limit(check.margin, words.unit)}</td>'
        f'<td class="bar">{gate_bar(check, css, key)}</td></tr>'
    )


def _margin_sources(arms: Sequence[Arm]) -> str:
    """Each margin and its source once, in order of first use."""
    said = dict.fromkeys((c.metric, c.margin, c.source) for arm in arms for c in arm.checks if c.source)
    items = "".join(
        f"<li>{text(words_for(metric).label)} {limit(margin, words_for(metric).unit)}: {text(source)}</li>"
        for metric, margin, source in said
    )
    return f'<h3>Where the margins come from</h3><ul class="plain small">{items}</ul>' if items else ""


def settings_table(arms: Sequence[Arm], swatches: Mapping[str, str]) -> str:
    """Effective settings side by side, those that differ from the reference's first and marked."""
    base = arms[0].settings
    names = sorted({name for arm in arms for name in arm.settings})
    differing = [
        name for name in names if any(_written(arm, name) != _written(arms[0], name) for arm in arms)
    ]
    rows = []
    for name in [*differing, *(name for name in names if name not in differing)]:
        cells = []
        for arm in arms:
            differs = _written(arm, name) != _written(arms[0], name)
            css, mark = (' class="wrap differs"', "≠ ") if differs else (' class="wrap"', "")
            cells.append(f"<td{css}>{mark}<code>{visible(_written(arm, name))}</code></td>")
        rows.append(f'<tr><th scope="row" class="mono">{visible(name)}</th>{"".join(cells)}</tr>')
    caption = (
        f"≠ marks what differs from the {text(arm_label(arms[0]))}; those rows come first." if base else ""
    )
    head = ["setting", *(f"{swatches[arm.name]}{text(arm_label(arm))}" for arm in arms)]
    return table(caption, head, f"<tbody>{''.join(rows)}</tbody>", "sticky")


def _written(arm: Arm, name: str) -> str:
    return literal(arm.settings[name]) if name in arm.settings else "not reported"


_WHOLE = {"total": "whole run", "cpu": "CPU time of all processes"}


def timing_table(timing: Mapping[str, float]) -> str:
    """Seconds per stage. Keys like "candidate.load" make one row an arm; others stand in the last column."""
    parts = list(dict.fromkeys(name.rpartition(".")[2] for name in timing if "." in name))
    rows: dict[str, dict[str, float]] = {}
    for name, spent in timing.items():
        stage, dot, part = name.rpartition(".")
        rows.setdefault(stage if dot else name, {})[part if dot else ""] = spent
    body = ""
    for stage, spans in rows.items():
        cells = [f'<td class="n">{seconds(spans[key]) if key in spans else ""}</td>' for key in (*parts, "")]
        body += f'<tr><th scope="row">{visible(_WHOLE.get(stage, stage))}</th>{"".join(cells)}</tr>'
    head = ["stage", *(visible(part) for part in parts), "in all"]
    caption = "Wall time unless it says CPU; stages of different engines may have run side by side."
    return table(caption, head, f"<tbody>{body}</tbody>")


def literal(value: Any) -> str:
    """A setting's value as Python would write it, strings bare."""
    return value if isinstance(value, str) else python_source(value)


def worst_table(arm: Arm) -> str:
    """The tokens of one arm that moved most."""
    shown = arm.worst[:WORST_SHOWN]
    rows = "".join(_worst_row(token) for token in shown)
    total = f", the first {len(shown)} of {len(arm.worst)}" if len(arm.worst) > len(shown) else ""
    infinite = any(not math.isfinite(token.candidate - token.reference) for token in shown)
    said = ". -inf: probability zero, outside the support" if infinite else ""
    head = ["prompt", "position", "token", "reference", "this arm", "Δlogp"]
    caption = f"{text(arm_label(arm).capitalize())}{total}: logprobs, nats{said}"
    return table(caption, head, f"<tbody>{rows}</tbody>")


def _worst_row(token: WorstToken) -> str:
    known = math.isfinite(token.reference) or math.isfinite(token.candidate)
    delta = number(token.candidate - token.reference) if known else "undefined"
    return (
        f'<tr><td class="n">{count(token.prompt)}</td><td class="n">{count(token.position)}</td>'
        f'<td><code class="literal">{visible(token.token)}</code></td>'
        f'<td class="n">{number(token.reference, 4)}</td><td class="n">{number(token.candidate, 4)}</td>'
        f'<td class="n">{delta}</td></tr>'
    )
