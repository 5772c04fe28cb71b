"""The top of the page: the verdict, why, what to set, whether that helps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.report.audit_html.markup import estimate, phrase, text, visible
from vllm_migrate.report.audit_html.pieces import definitions, verdict_mark
from vllm_migrate.report.numbers import limit, number
from vllm_migrate.report.settings_code import python_keywords, serve_flags, setting_words
from vllm_migrate.report.words import cause_title, find_arm, headline

if TYPE_CHECKING:
    from vllm_migrate.audit.result import AuditResult, Reward


def head(result: AuditResult) -> str:
    """The verdict and the one sentence a reader needs."""
    css = result.verdict.value.lower() if result.verdict else "none"
    origin = " · ".join(text(part) for part in ("vllm-migrate audit", result.tool, result.created) if part)
    could_not = '<span class="verdict">COULD NOT JUDGE</span>'
    word = verdict_mark(result.verdict) if result.verdict else could_not
    return (
        f'<header>\n<p class="meta">{origin}</p>\n<div class="lead {css}">{word} '
        f'<code class="reason">{visible(result.reason)}</code>\n'
        f"<h1>{phrase(headline(result))}</h1></div>\n</header>"
    )


def facts(result: AuditResult) -> str:
    """Cause, settings, remedy, reward, resolution."""
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
    return definitions(rows)


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
    tried = setting_words(result.remedy.settings) or "no settings"
    arm = find_arm(result, "remedy")
    metrics = arm.against_reference if arm else None
    reached = f": mean |Δlogp| {estimate(metrics.mean_abs)}" if metrics else ""
    return (
        f"{verdict_mark(result.remedy.verdict)} with "
        f"<code>{visible(tried, longest=600)}</code>{reached}. It does not change the candidate's verdict."
    )


def _reward(reward: Reward) -> str:
    named = f" by <code>{visible(reward.function)}</code>" if reward.function else ""
    return (
        f"<p>{verdict_mark(reward.verdict)} candidate {number(reward.candidate)}, reference "
        f"{number(reward.reference)}, difference {estimate(reward.difference)}{named}</p>"
        f'<p class="small">Margin ±{limit(reward.margin)}; smallest difference this run could have detected '
        f"{number(reward.smallest_detectable)}. From {text(reward.method)}, paired by prompt; judged apart "
        "from the logprobs.</p>"
    )
