"""The audit's result for a terminal: the verdict first, then why, what to set, and the figures."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vllm_migrate.audit.result import Arm, AuditResult, Cause, Check, Estimate, Verdict
from vllm_migrate.edits.settings import python_source
from vllm_migrate.report.audit_terminal_parts import further_parts
from vllm_migrate.report.shown import safe_lines as safe
from vllm_migrate.report.split_words import main_term, split_rows, style_sentence
from vllm_migrate.report.words import find_arm, headline, words_for

if TYPE_CHECKING:
    from vllm_migrate.audit.sections import RewardSplit

WIDTH = 80
_STYLES = {Verdict.PASS: "bold green", Verdict.FAIL: "bold red", Verdict.INCONCLUSIVE: "bold yellow"}
_AGAINST = {"reference": "V0's tokens", "trainer": "trainer", "probe": "semantic probe"}
_SHOWN_CHECKS = 6
_ARM_WIDTH = 13
_ENGINE_WIDTH = 12
_RUNNERS = {"v0": "V0", "v1-model-runner": "V1", "v2-model-runner": "V1r2", "endpoint": "URL"}
_LEGEND = (
    "|Δ|: |Δlogp| to the reference on its tokens, nats; trainer: mean |Δlogp| to the"
    " trainer's forward on the arm's own tokens"
)


def render_text(result: AuditResult, *, colour: bool = False) -> str:
    """The result as text, 80 columns wide."""
    buffer = io.StringIO()
    console = Console(
        file=buffer,
        width=WIDTH,
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        highlight=False,
        markup=False,
        emoji=False,
    )
    print_audit(result, console)
    lines = [line.rstrip(" ") for line in buffer.getvalue().split("\n")]  # the console pads
    return "\n".join(lines)


def print_audit(result: AuditResult, console: Console) -> None:
    """Print the result; nothing in it is read as markup, and colour is the console's choice."""
    console.print(_headline(result))
    if result.message:
        console.print(Text(safe(result.message)))
    if result.cause is not Cause.NONE:
        console.print(Text.assemble(("cause: ", "bold"), result.cause.value))
    if result.cause_evidence:
        console.print(Padding(Text(safe(result.cause_evidence)), (0, 0, 0, 2), expand=False))
    if result.settings:
        console.print(Text("add to LLM(...):", style="bold"))
        for name, value in result.settings.items():
            console.print(Text(safe(f"  {name}={python_source(value)},")))
    if result.remedy is not None:
        console.print(_remedy(result))
    if result.arms:
        console.print()
        console.print(_table(result))
        console.print(Text(_LEGEND, style="dim"))
        _print_checks(result, console)
    if result.reward is not None:
        console.print(_reward(result))
        if result.reward.split is not None:
            _print_split(result.reward.split, console)
    for block in further_parts(result):
        console.print(block)
    for warning in result.warnings:
        console.print(Text.assemble(("warning: ", "yellow"), safe(warning)))
    if "total" in result.timing:
        cpu = f", {result.timing['cpu']:.0f} CPU seconds" if "cpu" in result.timing else ""
        console.print(Text(f"{result.timing['total']:.0f} s{cpu}", style="dim"))


def _headline(result: AuditResult) -> Text:
    if result.verdict is None:
        return Text.assemble(("NOT JUDGED", "bold yellow"), f" ({safe(result.reason)})")
    return Text.assemble((result.verdict.value, _STYLES[result.verdict]), f" {safe(headline(result))}")


def _remedy(result: AuditResult) -> Text:
    remedy = result.remedy
    if remedy is None or remedy.verdict is None:
        return Text("remedy: not judged")
    with_what = "with these settings" if remedy.settings else "with no change"
    return Text.assemble(
        ("remedy: ", "bold"), (remedy.verdict.value, _STYLES[remedy.verdict]), f" {with_what}"
    )


def _table(result: AuditResult) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("arm", no_wrap=True)
    table.add_column("engine", no_wrap=True)
    for title in ("mean|Δ|", "p99|Δ|", "clip", "outside", "trainer"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for arm in result.arms:
        table.add_row(*_row(arm))
    return table


def _row(arm: Arm) -> list[Text]:
    metrics, trainer = arm.against_reference or arm.against_probe, arm.against_trainer
    verdict = Text("") if arm.verdict is None else Text(arm.verdict.value, style=_STYLES[arm.verdict])
    return [
        Text(safe(arm.name.replace("flip:logprobs_mode", "flip logprobs"))[:_ARM_WIDTH]),
        Text(safe(f"{_RUNNERS.get(arm.runner, arm.runner)} {_release(arm.version)}")[:_ENGINE_WIDTH]),
        Text(_small(metrics.mean_abs.value) if metrics else "-"),
        Text(_small(metrics.p99_abs) if metrics else "-"),
        Text(_percent(metrics.clip_rate) if metrics else "-"),
        Text(_percent(metrics.outside_support) if metrics else "-"),
        Text(_small(trainer.mean_abs.value) if trainer else "-"),
        verdict,
    ]


def _release(version: str) -> str:
    """A version without local part, post- and development release."""
    return ".".join(version.split("+", maxsplit=1)[0].split(".")[:3])


def _small(value: float) -> str:
    if value == 0:
        return "0"
    return f"{value:.4f}" if abs(value) >= 1e-3 else f"{value:.0e}"  # noqa: PLR2004 - where four decimals end


def _percent(share: Estimate) -> str:
    return f"{share.value:.1%}" if share.value else "0"


def _print_checks(result: AuditResult, console: Console) -> None:
    """What decided a verdict other than PASS."""
    candidate = find_arm(result, "candidate")
    if candidate is None or result.verdict is Verdict.PASS:
        return
    wanted = Verdict.FAIL if result.verdict is Verdict.FAIL else Verdict.INCONCLUSIVE
    deciding = [check for check in candidate.checks if check.verdict is wanted]
    for check in deciding[:_SHOWN_CHECKS]:
        console.print(_check(check))
    if len(deciding) > _SHOWN_CHECKS:
        console.print(Text(f"  and {len(deciding) - _SHOWN_CHECKS} more"))


def _check(check: Check) -> Text:
    interval = "" if check.low is None or check.high is None else f" [{check.low:.3g}, {check.high:.3g}]"
    name = words_for(check.metric).label
    against = _AGAINST.get(check.comparison, check.comparison)
    return Text.assemble(
        "  ",
        (check.verdict.value, _STYLES[check.verdict]),
        f" {safe(name)}, {safe(against)}: {check.value:.3g}{interval}, margin {check.margin:.3g}",
    )


def _reward(result: AuditResult) -> Text:
    reward = result.reward
    if reward is None:
        return Text("")
    difference = reward.difference
    interval = (
        ""
        if difference.low is None or difference.high is None
        else f" [{difference.low:+.3f}, {difference.high:+.3f}]"
    )
    return Text.assemble(
        ("reward: ", "bold"),
        (reward.verdict.value, _STYLES[reward.verdict]),
        f" {reward.reference:.3f} to {reward.candidate:.3f}, difference {difference.value:+.3f}{interval},"
        f" margin {reward.margin:.3f}, smallest detectable {reward.smallest_detectable:.3f},"
        f" from {safe(reward.method)}",
    )


def _print_split(split: RewardSplit, console: Console) -> None:
    """What the shift consists of, a line a term; nothing beside a shift of nothing at all."""
    if not split.total.value and main_term(split) is None:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False, show_header=False)
    table.add_column("", no_wrap=True)
    for _ in range(2):
        table.add_column("", justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for row in split_rows(split):
        table.add_row(Text(safe(f"  {row.name}")), row.figure, row.bounds, Text(safe(row.about)))
    console.print(table)
    if split.style_verdict is Verdict.FAIL:
        console.print(Padding(Text(safe(style_sentence(split))), (0, 0, 0, 2), expand=False))
