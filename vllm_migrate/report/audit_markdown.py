"""The audit as Markdown, for a comment on a pull request: the verdict first, long tables folded away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.audit.result import Verdict
from vllm_migrate.report import markdown_parts as parts
from vllm_migrate.report.markdown_text import LONGEST, code, fenced, folded, prose, table, title
from vllm_migrate.report.numbers import estimated, in_unit, interval, limit, number
from vllm_migrate.report.settings_code import python_keywords, setting_words
from vllm_migrate.report.words import (
    COMPARISONS,
    MARKS,
    arm_label,
    cause_title,
    engine_label,
    find_arm,
    headline,
    verdict_word,
    words_for,
)

if TYPE_CHECKING:
    from vllm_migrate.audit.result import Arm, AuditResult, Check


def render_markdown(result: AuditResult) -> str:
    """The report. Sections that would make it longer than a comment can be are left out, and named."""
    wanted = [
        ("settings", _settings(result)),
        ("advice", parts.advice(result.advice)),
        ("gates", _gates(result)),
        ("invariants", parts.invariants(result.invariants)),
        ("reward", _reward(result)),
        ("reward itself", parts.reward_check(result.reward_check)),
        ("ladder", parts.ladder(result.ladder)),
        ("weight updates", parts.sync(result.sync)),
        ("speed", parts.speed(result.speed)),
        ("figures", _arms(result)),
        ("diagnostics", parts.diagnostics(result.diagnostics)),
        ("bands", parts.bands(result.bands)),
        ("tokens that moved most", parts.worst(find_arm(result, "candidate"))),
        ("assumptions", parts.listed("Taken for granted", result.assumptions)),
        ("warnings", parts.listed("Warnings", result.warnings)),
    ]
    page = _head(result)
    missing = []
    for name, section in wanted:
        if len(page) + len(section) > LONGEST:
            missing.append(name)
        elif section:
            page += f"\n{section}"
    if missing:
        page += f"\nLeft out for length, see the HTML or JSON report: {', '.join(missing)}.\n"
    return page + _foot(result)


def _head(result: AuditResult) -> str:
    said = f"{title('audit', result.verdict, verdict_word(result.verdict))}\n{prose(headline(result))}\n"
    if result.verdict is None:
        _, _, rest = result.message.partition("\n")
        return said + f"\n{prose(rest)}\n\nReason: {code(result.reason)}\n" if rest else said
    if result.message:
        said += f"\n{prose(result.message)}\n"
    evidence = f": {prose(result.cause_evidence)}" if result.cause_evidence else ""
    return said + f"\n**Cause: {prose(cause_title(result.cause))}** ({code(result.cause.value)}){evidence}\n"


def _settings(result: AuditResult) -> str:
    said = ""
    if result.settings:
        said = f"**Settings to add**\n\n{fenced(python_keywords(result.settings), 'python')}\n"
    if result.remedy is not None:
        tried = setting_words(result.remedy.settings)
        verdict = result.remedy.verdict.value if result.remedy.verdict else "not judged"
        said += f"\nRemedy tried: {code(tried) if tried else 'no change'}: **{verdict}**.\n"
    return said


def _gates(result: AuditResult) -> str:
    candidate = find_arm(result, "candidate")
    if candidate is None or not candidate.checks:
        return ""
    deciding = [check for check in candidate.checks if check.verdict is not Verdict.PASS]
    head = ["figure", "against", "verdict", "value", "95% interval", "margin"]
    said = ""
    if deciding:
        said = table(head, map(_gate, deciding))
    passed = [check for check in candidate.checks if check.verdict is Verdict.PASS]
    if passed:
        said += folded(
            f"{len(passed)} of {len(candidate.checks)} gates pass", table(head, map(_gate, passed))
        )
    return said


def _gate(check: Check) -> list[str]:
    words = words_for(check.metric)
    return [
        prose(words.label),
        prose(COMPARISONS.get(check.comparison, check.comparison)),
        f"{MARKS[check.verdict]} {check.verdict.value}",
        in_unit(check.value, words.unit, words.digits),
        interval(check.low, check.high, words.unit),
        limit(check.margin, words.unit),
    ]


def _reward(result: AuditResult) -> str:
    reward = result.reward
    if reward is None:
        return ""
    by = f" by {code(reward.function)}" if reward.function else ""
    return (
        f"**Reward** {MARKS[reward.verdict]} {reward.verdict.value}{by}: {number(reward.reference)} to "
        f"{number(reward.candidate)}, difference {estimated(reward.difference)}, margin "
        f"{limit(reward.margin)}, smallest detectable {number(reward.smallest_detectable)}, from "
        f"{prose(reward.method)}.\n"
    ) + parts.reward_split(reward.split)


def _arms(result: AuditResult) -> str:
    if not result.arms:
        return ""
    head = [
        "arm",
        "engine",
        "verdict",
        "mean abs Δlogp",
        "p99",
        "clip rate",
        "outside support",
        "to the trainer",
    ]
    return folded("Arms", table(head, map(_arm, result.arms)))


def _arm(arm: Arm) -> list[str]:
    metrics, trainer = arm.against_reference, arm.against_trainer
    cells = [prose(arm_label(arm)), prose(engine_label(arm)), arm.verdict.value if arm.verdict else ""]
    if metrics is None:
        cells += [""] * 4
    else:
        cells += [
            estimated(metrics.mean_abs),
            number(metrics.p99_abs),
            estimated(metrics.clip_rate, "share"),
            estimated(metrics.outside_support, "share"),
        ]
    return [*cells, estimated(trainer.mean_abs) if trainer else ""]


def _foot(result: AuditResult) -> str:
    model = f"model {code(result.model)}" if result.model else ""
    sampling = setting_words(result.sampling)
    known = [model, f"sampling {code(sampling)}" if sampling else "", f"{result.prompts} prompts"]
    made = " ".join(part for part in ("vllm-migrate", result.tool, result.created) if part)
    return f"\n<sub>{', '.join(part for part in known if part)}. {prose(made)}</sub>\n"
