"""The audit's result as one self-contained HTML page: no network, no script, for screen and paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.report.audit_html import plots
from vllm_migrate.report.audit_html.bands import band_table
from vllm_migrate.report.audit_html.document import document, style_of
from vllm_migrate.report.audit_html.figures import figures
from vllm_migrate.report.audit_html.gates import gates
from vllm_migrate.report.audit_html.ladder import ladder_section
from vllm_migrate.report.audit_html.metrics import metrics_section
from vllm_migrate.report.audit_html.pieces import section
from vllm_migrate.report.audit_html.provenance import limits, provenance
from vllm_migrate.report.audit_html.reward import reward_section
from vllm_migrate.report.audit_html.speed import advice_section, speed_section
from vllm_migrate.report.audit_html.sync import sync_section
from vllm_migrate.report.audit_html.tokens import worst_section
from vllm_migrate.report.audit_html.verdict import facts, head
from vllm_migrate.report.words import verdict_word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.audit.result import Arm, AuditResult

_ARM_CSS = {
    "reference": "arm-reference",
    "noise-floor": "arm-floor",
    "candidate": "arm-candidate",
    "remedy": "arm-remedy",
}
_FLIPS_WITH_COLOUR = 4


def render_html(result: AuditResult) -> str:
    """The whole page. The same result always gives the same text.

    Args:
        result: a judged audit, or one that could not judge (`verdict` is None): then the page says why and
            shows whatever was measured before it stopped.
    """
    css = _css_of(result.arms)
    swatches = {arm.name: plots.swatch(css[arm.name]) for arm in result.arms}
    reward_itself, extra = _reward_check(result)
    sections = [
        head(result),
        facts(result),
        advice_section(result.advice),
        gates(result, css, swatches),
        ladder_section(result.ladder),
        section("Where the divergence is", figures(result, css, swatches) + band_table(result.bands)),
        worst_section(result),
        reward_section(result.reward, (plots.swatch("arm-reference"), plots.swatch("arm-candidate"))),
        reward_itself,
        sync_section(result.sync),
        speed_section(result.speed),
        metrics_section(result, swatches),
        provenance(result, swatches),
        limits(result),
    ]
    title = f"vllm-migrate audit: {verdict_word(result.verdict)}"
    return document(title, style_of("audit_html") + extra, sections)


def _reward_check(result: AuditResult) -> tuple[str, str]:
    """The section on the reward itself, and the styles that it needs."""
    if result.reward_check is None:
        return "", ""
    from vllm_migrate.report.reward_html.in_audit import check_section  # noqa: PLC0415 - few audits have it

    return check_section(result.reward_check), style_of("reward_html")


def _css_of(arms: Sequence[Arm]) -> dict[str, str]:
    """Each arm's class: the same role always has the same colour; flips take theirs in turn."""
    css: dict[str, str] = {}
    flips = 0
    for arm in arms:
        if arm.name in _ARM_CSS:
            css[arm.name] = _ARM_CSS[arm.name]
        else:
            css[arm.name] = f"arm-flip{flips % _FLIPS_WITH_COLOUR + 1}"
            flips += 1
    return css
