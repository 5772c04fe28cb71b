"""The result's further parts as Markdown; each is empty where there is nothing to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.report.markdown_text import code, fenced, folded, prose, table
from vllm_migrate.report.numbers import count, estimated, number
from vllm_migrate.report.part_words import (
    BANDS,
    HOW,
    cause_words,
    diagnostic_mark,
    diagnostic_name,
    diagnostic_unit,
    invariant_figure,
    invariant_name,
    invariant_state,
    ladder_remainder,
    rung_effect,
    speed_words,
    sync_state,
    sync_way,
)
from vllm_migrate.report.reward_markdown import findings
from vllm_migrate.report.reward_words import headline, tally
from vllm_migrate.report.settings_code import python_keywords, setting_words
from vllm_migrate.report.split_words import split_rows, split_sentence, style_sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.audit.result import Arm, WorstToken
    from vllm_migrate.audit.sections import (
        Advice,
        Band,
        Diagnostic,
        Invariant,
        Ladder,
        RewardSplit,
        SpeedOption,
        SyncCase,
    )
    from vllm_migrate.reward.outcome import RewardReport

_MARKS = {"holds": "✓", "as a cold engine": "✓", "broken": "✕", "differs": "✕", "not tried": "?"}
_WORST = 5


def advice(pieces: Sequence[Advice]) -> str:
    """What to do next."""
    said = ""
    for number_, piece in enumerate(pieces, start=1):
        said += f"{number_}. **{prose(piece.title)}**: {prose(piece.reason)}\n"
        if piece.settings:
            block = fenced(python_keywords(piece.settings), "python")
            said += "\n" + "".join(f"   {line}\n" for line in block.splitlines())
    return f"**What to do next**\n\n{said}" if said else ""


def invariants(found: Sequence[Invariant]) -> str:
    """The invariants."""
    rows = [
        [
            prose(invariant_name(entry)),
            f"{_MARKS[invariant_state(entry)]} {invariant_state(entry)}",
            prose(invariant_figure(entry)),
            prose(entry.note),
        ]
        for entry in found
    ]
    return table(["invariant", "state", "figure", "note"], rows) if rows else ""


def reward_check(report: RewardReport | None) -> str:
    """Whether the reward can be trained against, where that was asked."""
    if report is None:
        return ""
    word = "not judged" if report.verdict is None else report.verdict.value
    said = f"**Reward itself** {word}: {prose(headline(report))}"
    return f"{said} ({tally(report)}).\n\n{findings(report)}" if report.checks else f"{said}.\n"


def reward_split(split: RewardSplit | None) -> str:
    """What a reward's shift consists of."""
    if split is None:
        return ""
    rows = [[prose(row.name), row.figure, row.bounds, prose(row.about)] for row in split_rows(split)]
    listed = table(["part", "difference", "95% interval", "what moved"], rows)
    said = [prose(split_sentence(split)), prose(style_sentence(split)), *map(prose, split.notes)]
    return folded("What the reward's shift consists of", listed + "\n\n".join(said) + "\n")


def ladder(found: Ladder | None) -> str:
    """What was tried to explain the difference."""
    if found is None:
        return ""
    rows = [
        [
            prose(cause_words(rung.cause)),
            code(setting_words(rung.setting)),
            prose(HOW.get(rung.how, rung.how)),
            "" if rung.before is None else number(rung.before),
            "" if rung.after is None else number(rung.after),
            prose(rung_effect(rung)),
        ]
        for rung in found.rungs
    ]
    said = [f"Excess over the noise floor: {estimated(found.excess)} nats."] if rows else []
    said += [prose(line) for line in (*ladder_remainder(found), found.note) if line]
    listed = table(["suspect", "change", "how", "before", "after", "effect"], rows) if rows else ""
    body = listed + "\n\n".join(said) + ("\n" if said else "")
    return folded("What each change removes", body) if body else ""


def sync(cases: Sequence[SyncCase]) -> str:
    """Ways to update weights."""
    rows = [
        [
            prose(case.engine),
            prose(sync_way(case)),
            f"{_MARKS[sync_state(case)]} {sync_state(case)}",
            f"{count(case.differing)} of {count(case.tokens)}" if case.tokens else "",
            "" if case.mean_abs is None else number(case.mean_abs),
            "" if case.max_abs is None else number(case.max_abs),
            prose(case.note),
        ]
        for case in cases
    ]
    head = ["engine", "way", "afterwards", "tokens differing", "mean", "max", "note"]
    return folded("Weight updates, against a cold engine", table(head, rows)) if rows else ""


def speed(options: Sequence[SpeedOption]) -> str:
    """Optimisations turned on again."""
    rows = [
        [
            code(setting_words(option.settings)),
            option.verdict.value,
            prose(speed_words(option)),
            "yes" if option.recommended else "",
            prose(option.note),
        ]
        for option in options
    ]
    head = ["turned on", "signal", "throughput", "recommended", "note"]
    return "**Speed to earn back**\n\n" + table(head, rows) if rows else ""


def diagnostics(found: Sequence[Diagnostic]) -> str:
    """Figures that never gate; the notable ones first."""
    rows = [
        [
            prose(diagnostic_name(entry)) + (" (notable)" if entry.notable else ""),
            estimated(entry.estimate, diagnostic_unit(entry)),
            prose(entry.unit),
            diagnostic_mark(entry),
        ]
        for entry in sorted(found, key=lambda entry: not entry.notable)
    ]
    return folded("Diagnostics", table(["figure", "value", "unit", "mark"], rows)) if rows else ""


def bands(found: Sequence[Band]) -> str:
    """Divergence by band."""
    rows = [
        [
            prose(BANDS.get(band.by, band.by)),
            prose(band.label),
            count(band.tokens),
            estimated(band.mean_abs),
            estimated(band.k2),
        ]
        for band in found
    ]
    return folded("By band", table(["by", "band", "tokens", "mean abs Δlogp", "KL k2"], rows)) if rows else ""


def worst(arm: Arm | None) -> str:
    """The tokens that moved most, in their places."""
    rows = [_token(token) for token in arm.worst[:_WORST]] if arm else []
    head = ["token in its place", "reference", "candidate", "prompt", "position"]
    return folded("Tokens that moved most", table(head, rows)) if rows else ""


def _token(token: WorstToken) -> list[str]:
    before, after = "".join(token.before)[-60:], "".join(token.after)[:60]
    place = f"{code(before)} **{code(token.token) or '(empty)'}** {code(after)}".strip()
    return [
        place,
        number(token.reference, 4),
        number(token.candidate, 4),
        count(token.prompt),
        count(token.position),
    ]


def listed(title: str, lines: Sequence[str]) -> str:
    """A list under a title."""
    return f"**{title}**\n\n" + "".join(f"- {prose(line)}\n" for line in lines) if lines else ""
