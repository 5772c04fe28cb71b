"""The audit's result as one self-contained HTML page: no network, no script, for screen and paper."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from vllm_migrate.audit.result import Arm, AuditResult, Reward, Verdict
from vllm_migrate.report.html import plots, tables
from vllm_migrate.report.html.figures import figures
from vllm_migrate.report.html.markup import estimate, phrase, text, visible
from vllm_migrate.report.numbers import count, given, limit, number
from vllm_migrate.report.settings_code import python_keywords, serve_flags
from vllm_migrate.report.words import (
    arm_label,
    cause_title,
    clip_bounds,
    compared,
    find_arm,
    headline,
    verdict_word,
    words_for,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
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
    style = resources.files("vllm_migrate.report.html").joinpath("style.css").read_text(encoding="utf-8")
    title = f"vllm-migrate audit: {verdict_word(result.verdict)}"
    sections = [
        _head(result),
        _facts(result),
        _gates(result, css, swatches),
        _section("Where the tokens are", figures(result, css, swatches)),
        _metrics(result, swatches),
        _worst(result),
        _provenance(result, swatches),
        _limits(result),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        f"<title>{text(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(section for section in sections if section)
        + "\n</main>\n</body>\n</html>\n"
    )


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


def _section(title: str, body: str) -> str:
    return f"<section>\n<h2>{title}</h2>\n{body}\n</section>" if body else ""


def _head(result: AuditResult) -> str:
    css = result.verdict.value.lower() if result.verdict else "none"
    origin = " · ".join(text(part) for part in ("vllm-migrate audit", result.tool, result.created) if part)
    could_not = '<span class="verdict">COULD NOT JUDGE</span>'
    word = tables.verdict_mark(result.verdict) if result.verdict else could_not
    return (
        f'<header>\n<p class="meta">{origin}</p>\n<div class="lead {css}">{word} '
        f'<code class="reason">{visible(result.reason)}</code>\n'
        f"<h1>{phrase(headline(result))}</h1></div>\n</header>"
    )


def _facts(result: AuditResult) -> str:
    rows = []
    message = result.message if result.verdict else result.message.partition("\n")[2]
    if message:
        rows.append(("Message", f'<p class="pre">{text(message)}</p>'))
    if result.verdict is not None:
        rows.append(("Cause", _cause(result)))
        rows.append(("Settings to add", _settings(result)))
        rows.append(("Remedy", _remedy(result)))
    if result.reward is not None:
        rows.append(("Reward", _reward(result.reward)))
    if result.smallest_detectable is not None:
        smallest = phrase(f"mean |Δlogp| {number(result.smallest_detectable)} nats")
        rows.append(
            ("Smallest detectable", f"{smallest}: less, this run could not have told from its margin")
        )
    return _definitions(rows)


def _definitions(rows: Sequence[tuple[str, str]]) -> str:
    listed = "".join(f"<dt>{name}</dt>\n<dd>{body}</dd>\n" for name, body in rows)
    return f'<dl class="facts">{listed}</dl>' if rows else ""


def _cause(result: AuditResult) -> str:
    sentence = result.cause_evidence[:1].upper() + result.cause_evidence[1:].rstrip(".")
    evidence = f"<p>{phrase(sentence)}.</p>" if sentence else ""
    slug = f"<code>{text(result.cause.value)}</code>"
    return f"<p><strong>{text(cause_title(result.cause))}</strong> {slug}</p>{evidence}"


def _settings(result: AuditResult) -> str:
    if not result.settings:
        return "none"
    python, shell = text(python_keywords(result.settings)), text(serve_flags(result.settings))
    return (
        f'<div class="two"><div><span class="small">Python</span><pre>{python}</pre></div>'
        f'<div><span class="small">Command line</span><pre>{shell}</pre></div></div>'
    )


def _remedy(result: AuditResult) -> str:
    if result.remedy is None:
        return "not tried"
    settings = result.remedy.settings.items()
    tried = ", ".join(f"{name}={tables.literal(value)}" for name, value in settings) or "no settings"
    arm = find_arm(result, "remedy")
    metrics = arm.against_reference if arm else None
    reached = f": mean |Δlogp| {estimate(metrics.mean_abs)}" if metrics else ""
    return (
        f"{tables.verdict_mark(result.remedy.verdict)} with "
        f"<code>{visible(tried, longest=600)}</code>{reached}. It does not change the candidate's verdict."
    )


def _reward(reward: Reward) -> str:
    named = f" by <code>{visible(reward.function)}</code>" if reward.function else ""
    return (
        f"<p>{tables.verdict_mark(reward.verdict)} candidate {number(reward.candidate)}, reference "
        f"{number(reward.reference)}, difference {estimate(reward.difference)}{named}</p>"
        f'<p class="small">Margin ±{limit(reward.margin)}; smallest difference this run could have detected '
        f"{number(reward.smallest_detectable)}. Paired by prompt; judged apart from the logprobs.</p>"
    )


def _gates(result: AuditResult, css: Mapping[str, str], swatches: Mapping[str, str]) -> str:
    gated = [arm for arm in result.arms if arm.checks]
    return _section("What was judged", tables.gates_table(gated, css, swatches)) if gated else ""


def _metrics(result: AuditResult, swatches: Mapping[str, str]) -> str:
    body = ""
    for comparison, (title, caption) in _COMPARED.items():
        found = [(arm, compared(arm, comparison)) for arm in result.arms]
        chosen = [(arm, metrics) for arm, metrics in found if metrics is not None]
        if chosen:
            explained = None if body else clip_bounds(result)
            body += f"<h3>{title}</h3>"
            body += tables.metrics_table(caption, comparison, chosen, swatches, explained)
    return _section("All figures", body)


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


def _worst(result: AuditResult) -> str:
    judged = [arm for arm in result.arms if arm.verdict is not None]
    listed = [tables.worst_table(arm) for arm in judged or result.arms if arm.worst]
    return (
        _section("Tokens that moved most", f'<div class="two wide">{"".join(listed)}</div>') if listed else ""
    )


def _provenance(result: AuditResult, swatches: Mapping[str, str]) -> str:
    sampling = ", ".join(f"{name}={tables.literal(value)}" for name, value in result.sampling.items())
    body = _definitions(
        [
            ("Model", _recorded(result.model)),
            ("Sampling", _recorded(sampling)),
            ("Clip range", "[" + ", ".join(given(bound) for bound in clip_bounds(result)) + "]"),
            ("Prompts", count(result.prompts)),
        ]
    )
    if result.arms:
        body += "<h3>Engines</h3>" + tables.arms_table(result.arms, swatches)
    if any(arm.settings for arm in result.arms):
        body += "<h3>Effective settings</h3>" + tables.settings_table(result.arms, swatches)
    if result.timing:
        body += "<h3>Time</h3>" + tables.timing_table(result.timing)
    return _section("What ran", body)


def _recorded(value: str) -> str:
    return f"<code>{visible(value, longest=600)}</code>" if value else "not recorded"


def _limits(result: AuditResult) -> str:
    body = ""
    if result.warnings:
        listed = "".join(f'<li class="pre">{text(warning)}</li>' for warning in result.warnings)
        body += f'<h3>Warnings</h3><ul class="plain">{listed}</ul>'
    unjudged = _not_judged(result)
    if unjudged:
        listed = "".join(f"<li>{text(item)}</li>" for item in unjudged)
        body += f'<h3>Not judged</h3><ul class="plain">{listed}</ul>'
    return _section("Limits of this run", body)


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
