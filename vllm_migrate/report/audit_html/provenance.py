"""What ran, what was assumed, and what this run can't tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.audit.result import Arm, AuditResult, Verdict
from vllm_migrate.report.audit_html.code import code_table
from vllm_migrate.report.audit_html.markup import text, visible
from vllm_migrate.report.audit_html.pieces import (
    bullets,
    definitions,
    folded,
    part,
    row,
    section,
    table,
    verdict_mark,
)
from vllm_migrate.report.numbers import count, seconds
from vllm_migrate.report.settings_code import literal, setting_words
from vllm_migrate.report.words import arm_label, clip_words, engine_label, words_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vllm_migrate.audit.sections import SettingRow

_WHOLE = {"total": "whole run", "cpu": "CPU time of all processes"}


def provenance(result: AuditResult, swatches: Mapping[str, str]) -> str:
    """The section on what ran. `swatches` maps an arm's name to its piece of line, markup."""
    body = definitions(
        [
            ("Model", _recorded(result.model)),
            ("Sampling", _recorded(setting_words(result.sampling))),
            ("Clip range", text(clip_words(result))),
            ("Thresholds", f"profile {text(result.profile)}"),
            ("Prompts", count(result.prompts)),
        ]
    )
    if result.code is not None:
        body += part("Read from your code", code_table(result.code))
    body += part("Taken for granted", bullets(result.assumptions))
    if result.arms:
        body += part("Engines", _arms(result.arms, swatches))
    body += part("Settings that differ or were changed", _changed(result.settings_table))
    if any(arm.settings for arm in result.arms):
        every = _settings(result.arms, swatches)
        known = bool(result.settings_table)
        body += folded("All effective settings", every) if known else part("Effective settings", every)
    if result.timing:
        body += part("Time", _timing(result.timing))
    return section("What ran", body)


def _recorded(value: str) -> str:
    return f"<code>{visible(value, longest=600)}</code>" if value else "not recorded"


def _arms(arms: Sequence[Arm], swatches: Mapping[str, str]) -> str:
    """One row per arm."""
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


def _changed(rows: Sequence[SettingRow]) -> str:
    """What the engines ran with where it matters; empty where it is not recorded."""
    if not rows:
        return ""
    with_remedy = any(entry.remedy is not None for entry in rows)
    body = ""
    for entry in rows:
        values = [entry.reference, entry.candidate, *([entry.remedy] if with_remedy else [])]
        cells = []
        for value in values:
            differs = value is not None and value != entry.reference
            opening = '<td class="wrap differs">≠ ' if differs else '<td class="wrap">'
            shown = "" if value is None else f"<code>{visible(literal(value))}</code>"
            cells.append(f"{opening}{shown}</td>")
        cells += [f"<td>{text(entry.given)}</td>", f"<td>{'yes' if entry.tried else ''}</td>"]
        body += row(visible(entry.name), cells, "mono")
    head = ["setting", "reference", "candidate", *(["remedy"] if with_remedy else [])]
    head += ["candidate's set by", "changed by the ladder"]
    caption = "≠ marks what differs from the reference. Empty: that arm has no such setting."
    return table(caption, head, f"<tbody>{body}</tbody>", "sticky")


def _settings(arms: Sequence[Arm], swatches: Mapping[str, str]) -> str:
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


def _timing(timing: Mapping[str, float]) -> str:
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


def limits(result: AuditResult) -> str:
    """The section on what this run can't tell; empty where it could tell everything."""
    body = part("Warnings", bullets(result.warnings)) + part("Not judged", bullets(_not_judged(result)))
    return section("Limits of this run", body)


def _not_judged(result: AuditResult) -> list[str]:
    """What the result carries no verdict on. Plain text."""
    items = []
    if result.verdict is None:
        items.append("The candidate: the audit stopped first.")
    if result.reward is None:
        items.append("Reward: there is no reward comparison in this result.")
    if result.remedy is None:
        items.append("A remedy: none was tried.")
    judged = [arm for arm in result.arms if arm.verdict is not None]
    items += [
        f"{arm_label(arm).capitalize()}, {words_for(check.metric).label} against the {check.comparison}: "
        "too close to its margin to tell."
        for arm in judged
        for check in arm.checks
        if check.verdict is Verdict.INCONCLUSIVE
    ]
    items += [
        f"{arm_label(arm).capitalize()}: not compared with the trainer's forward."
        for arm in judged
        if arm.against_trainer is None
    ]
    return items
