"""All figures of all arms, and the diagnostics that never gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.audit.result import Arm, AuditResult, Check, Metrics, Verdict
from vllm_migrate.report.audit_html.markup import estimate, phrase, text
from vllm_migrate.report.audit_html.pieces import mark, part, row, section, table
from vllm_migrate.report.numbers import count, limit
from vllm_migrate.report.part_words import diagnostic_mark, diagnostic_name, diagnostic_unit
from vllm_migrate.report.words import METRICS, arm_label, compared, figure, meaning, words_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vllm_migrate.audit.sections import Diagnostic

_COMPARED = {
    "reference": (
        "Against the reference",
        "The reference's tokens, forced through each arm. Δlogp is the arm's logprob minus the reference's.",
    ),
    "trainer": (
        "Against the trainer",
        "Each arm's own tokens. Δlogp is the logprob of the trainer's forward minus what the arm reported.",
    ),
    "probe": (
        "Semantic probe",
        "As against the reference, under a sampling profile that tells raw from processed logprobs.",
    ),
}


def metrics_section(result: AuditResult, swatches: Mapping[str, str]) -> str:
    """The section. `swatches` maps an arm's name to its piece of line, markup."""
    body = ""
    for comparison, (title, caption) in _COMPARED.items():
        found = [(arm, compared(arm, comparison)) for arm in result.arms]
        chosen = [(arm, metrics) for arm, metrics in found if metrics is not None]
        if chosen:
            explained = None if body else result
            body += part(title, _table(caption, comparison, chosen, swatches, explained))
    body += part("Diagnostics", _diagnostics(result.diagnostics))
    return section("All figures", body)


def _table(
    caption: str,
    comparison: str,
    chosen: Sequence[tuple[Arm, Metrics]],
    swatches: Mapping[str, str],
    explained: AuditResult | None,
) -> str:
    """Every figure of the arms side by side, with the margins they were judged by.

    Args:
        caption: plain text.
        comparison: which of the arms' comparisons this is, as in `Check.comparison`.
        chosen: the arms and their figures.
        swatches: each arm's piece of line, markup.
        explained: the audit, where each figure is to be explained; None leaves the explanations out.
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


def _diagnostics(diagnostics: Sequence[Diagnostic]) -> str:
    rows = []
    for diagnostic in diagnostics:
        unit = diagnostic_unit(diagnostic)
        warn = diagnostic_mark(diagnostic)
        remarks = "; ".join(said for said in (diagnostic.note, diagnostic.source) if said)
        rows.append(
            row(
                phrase(diagnostic_name(diagnostic)),
                [
                    f'<td class="n">{estimate(diagnostic.estimate, unit)}</td>',
                    f"<td>{text('' if unit == 'share' else unit)}</td>",
                    f'<td class="n">{warn}</td>',
                    f"<td>{mark('notable', 'inconclusive') if diagnostic.notable else ''}</td>",
                    f'<td class="wrap small">{text(remarks)}</td>',
                ],
            )
        )
    caption = (
        "The candidate against the reference; reported, never gating. Notable: beyond its mark by "
        "Benjamini-Hochberg over all of them."
    )
    head = ["figure", "value", "unit", "mark", "", "note and source of the mark"]
    return table(caption, head, f"<tbody>{''.join(rows)}</tbody>", "sticky") if rows else ""
