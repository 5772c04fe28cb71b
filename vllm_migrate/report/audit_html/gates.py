"""What was judged: every gating figure against its margin, where the margins come from, the invariants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.report.audit_html.gate_bars import gate_axis, gate_bar
from vllm_migrate.report.audit_html.markup import phrase, text
from vllm_migrate.report.audit_html.pieces import bullets, mark, part, row, section, table, verdict_mark
from vllm_migrate.report.numbers import count, in_unit, interval, limit, number
from vllm_migrate.report.part_words import invariant_name, invariant_state
from vllm_migrate.report.words import COMPARISONS, arm_label, words_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vllm_migrate.audit.result import Arm, AuditResult, Check
    from vllm_migrate.audit.sections import Invariant

_STATE = {"holds": "pass", "broken": "fail", "not tried": "inconclusive"}


def gates(result: AuditResult, css: Mapping[str, str], swatches: Mapping[str, str]) -> str:
    """The section; empty where nothing was judged.

    Args:
        result: the audit.
        css: each arm's class.
        swatches: each arm's piece of line, markup.
    """
    arms = [arm for arm in result.arms if arm.checks]
    body = _table(arms, css, swatches) + _sources(arms) if arms else ""
    invariants = _invariants(result.invariants) if result.invariants else ""
    return section("What was judged", body + part("Invariants", invariants))


def _table(arms: Sequence[Arm], css: Mapping[str, str], swatches: Mapping[str, str]) -> str:
    groups = []
    for index, arm in enumerate(arms):
        title = f"{swatches[arm.name]}{text(arm_label(arm))} {verdict_mark(arm.verdict)}"
        rows = [_gate(check, css[arm.name], f"gate-{index}-{n}") for n, check in enumerate(arm.checks)]
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
    return table(caption, head, "".join(groups), "sticky")


def _gate(check: Check, css: str, key: str) -> str:
    words = words_for(check.metric)
    against = COMPARISONS.get(check.comparison, check.comparison)
    cells = [
        f"<td>{text(against)}</td>",
        f"<td>{verdict_mark(check.verdict)}</td>",
        f'<td class="n">{in_unit(check.value, words.unit, words.digits)}</td>',
        f'<td class="n">{interval(check.low, check.high, words.unit) or "none"}</td>',
        f'<td class="n">{limit(check.margin, words.unit)}</td>',
        f'<td class="bar">{gate_bar(check, css, key)}</td>',
    ]
    return row(phrase(words.label), cells)


def _sources(arms: Sequence[Arm]) -> str:
    """Each margin and its source once, in order of first use."""
    said = dict.fromkeys((c.metric, c.margin, c.source) for arm in arms for c in arm.checks if c.source)
    items = [
        f"{words_for(metric).label} {limit(margin, words_for(metric).unit)}: {source}"
        for metric, margin, source in said
    ]
    return part("Where the margins come from", bullets(items, "plain small"))


def _invariants(invariants: Sequence[Invariant]) -> str:
    rows = []
    for invariant in invariants:
        state = invariant_state(invariant)
        value = "" if invariant.value is None else f"{number(invariant.value)} {text(invariant.unit)}"
        allowed = "" if invariant.allowed is None else limit(invariant.allowed)
        rows.append(
            row(
                text(invariant_name(invariant)),
                [
                    f"<td>{mark(state, _STATE[state])}</td>",
                    f'<td class="n">{value}</td>',
                    f'<td class="n">{allowed}</td>',
                    f'<td class="n">{count(invariant.tokens) if invariant.tokens else ""}</td>',
                    f'<td class="wrap">{text(invariant.note)}</td>',
                ],
            )
        )
    caption = (
        "What must hold whatever the noise is; one that is broken fails the candidate, however small its "
        "figures are."
    )
    head = ["invariant", "state", "value", "allowed", "tokens", "note"]
    return table(caption, head, f"<tbody>{''.join(rows)}</tbody>", "sticky")
