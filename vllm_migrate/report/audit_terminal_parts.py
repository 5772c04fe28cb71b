"""The result's further parts for a terminal of 80 columns: what is broken or notable, the rest in one line.

The HTML and JSON reports hold all of it; here stands what a reader acts on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.text import Text

from vllm_migrate.audit.result import Cause, Verdict
from vllm_migrate.report.numbers import count, estimated, number
from vllm_migrate.report.part_words import (
    cause_words,
    diagnostic_mark,
    diagnostic_name,
    diagnostic_unit,
    invariant_figure,
    invariant_name,
    rung_name,
    speed_words,
    sync_mode,
)
from vllm_migrate.report.reward_words import FINDINGS, headline, in_order, tally
from vllm_migrate.report.settings_code import setting_words
from vllm_migrate.report.shown import safe_lines as safe
from vllm_migrate.reward.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from vllm_migrate.audit.result import AuditResult
    from vllm_migrate.audit.sections import (
        Advice,
        Diagnostic,
        Invariant,
        Ladder,
        Rung,
        SpeedOption,
        SyncCase,
    )

_MOST_RUNGS, _MOST_CASES, _MOST_ADVICE = 6, 6, 4
_LEAST_SHARE = 0.01  # of the excess; what removes less is only counted


def further_parts(result: AuditResult) -> Iterator[RenderableType]:
    """Everything beyond verdict, cause and figures, a block each; nothing of a part that is empty."""
    yield from _reward_check(result)
    yield from _invariants(result.invariants)
    if result.ladder is not None:
        yield from _ladder(result.ladder, named=result.cause is not Cause.NONE)
    yield from _sync(result.sync)
    yield from _diagnostics(result.diagnostics)
    yield from _speed(result.speed)
    yield from _advice([piece for piece in result.advice if not _said(piece, result)])


def _titled(title: str, said: str, style: str = "bold") -> Text:
    return Text.assemble((f"{title}: ", style), safe(said))


def _item(said: str, mark: str = "", style: str = "") -> Padding:
    """A line of a block, wrapped under itself."""
    return Padding(Text.assemble((mark, style), " " if mark else "", safe(said)), (0, 0, 0, 2), expand=False)


def _reward_check(result: AuditResult) -> Iterator[RenderableType]:
    report = result.reward_check
    if report is None:
        if result.reward is not None:
            yield _titled("reward itself", "not examined; --check-reward, or `vllm-migrate reward`, does")
        return
    word = "not judged" if report.verdict is None else report.verdict.value
    said = headline(report) if report.verdict is None else f"{word}, {tally(report)}"
    yield _titled("reward itself", said)
    for check in in_order(report, *FINDINGS):
        colour = "bold red" if check.outcome is Outcome.FAIL else "yellow"
        yield _item(f"{check.probe}: {check.message}", check.outcome.name, colour)


def _invariants(found: Sequence[Invariant]) -> Iterator[RenderableType]:
    if not found:
        return
    holding = sum(entry.holds is True for entry in found)
    yield _titled("invariants", f"{holding} of {len(found)} hold")
    for entry in found:
        said = ", ".join(part for part in (invariant_figure(entry), entry.note) if part)
        name = f"{invariant_name(entry)}: {said}" if said else invariant_name(entry)
        if entry.holds is False:
            yield _item(name, "BROKEN", "bold red")
        elif entry.holds is None:
            yield _item(name, "not tried", "yellow")


def _ladder(ladder: Ladder, *, named: bool) -> Iterator[RenderableType]:
    measured = [rung for rung in ladder.rungs if rung.removed is not None]
    if not measured:
        if ladder.note and (named or ladder.rungs):
            yield _titled("ladder", ladder.note)
        return
    untried = len(ladder.rungs) - len(measured)
    rest = f", {count(untried)} could not be run" if untried else ""
    yield _titled("ladder", f"{count(len(measured))} changes tried on {estimated(ladder.excess)} nats{rest}")
    notable = [rung for rung in measured if abs(_removed(rung)) >= _LEAST_SHARE] or measured[:1]
    shown = sorted(notable, key=_removed, reverse=True)[:_MOST_RUNGS]
    for rung in shown:
        name = rung_name(rung) if rung.setting else cause_words(rung.cause)
        against = "" if rung.against == measured[0].against else f", against the {rung.against}"
        yield _item(f"{name}{against}", f"{_removed(rung):>6.1%}", "cyan")
    if len(measured) > len(shown):
        others = len(measured) - len(shown)
        less = f"each less than {_LEAST_SHARE:.0%}" if len(notable) == len(shown) else "less"
        yield _item(f"{others} other{'s' if others > 1 else ''}: {less}")
    left = [f"left by all together: {ladder.residual.value:.1%}"] if ladder.residual else []
    left += [f"interaction: {ladder.interaction.value:.1%}"] if ladder.interaction else []
    if left:
        yield _item("; ".join(left))


def _removed(rung: Rung) -> float:
    return rung.removed.value if rung.removed else 0.0


def _sync(cases: Sequence[SyncCase]) -> Iterator[RenderableType]:
    if not cases:
        return
    tried = [case for case in cases if case.stale is not None]
    stale = [case for case in tried if case.stale]
    said = f"{len(tried) - len(stale)} of {len(tried)} ways leave the engine as a cold one"
    if not tried:
        why = next((case.note for case in cases if case.note), "")
        said = f"no way could be tried{f': {why}' if why else ''}"
    elif len(tried) < len(cases):
        said += f"; {len(cases) - len(tried)} could not be tried"
    yield _titled("weight updates", said)
    alike: dict[tuple[str, str], list[str]] = {}
    for case in stale:
        where = f"{case.engine}, prefix caching {'on' if case.prefix_caching else 'off'}"
        far = "" if case.max_abs is None else f", at most {number(case.max_abs)} nats"
        figures = f"{count(case.differing)} of {count(case.tokens)} tokens differ{far}"
        alike.setdefault((where, figures), []).append(sync_mode(case))
    for (where, figures), modes in list(alike.items())[:_MOST_CASES]:
        yield _item(f"{', '.join(modes)} ({where}): {figures}", "differs", "bold red")
    if len(alike) > _MOST_CASES:
        yield _item(f"and {len(alike) - _MOST_CASES} more")


def _diagnostics(found: Sequence[Diagnostic]) -> Iterator[RenderableType]:
    notable = [entry for entry in found if entry.notable]
    if not notable:
        return
    yield _titled("notable", "beyond their marks; they do not gate")
    for entry in notable:
        unit = diagnostic_unit(entry)
        mark = diagnostic_mark(entry)
        mark = f", mark {mark}" if mark else ""
        written = "" if unit in {"share", ""} else f" {unit}"
        yield _item(f"{diagnostic_name(entry)}: {estimated(entry.estimate, unit)}{written}{mark}")


def _speed(options: Sequence[SpeedOption]) -> Iterator[RenderableType]:
    if not options:
        return
    good = [option for option in options if option.recommended]
    yield _titled("speed", f"{len(good)} of {len(options)} optimisations can be turned on again")
    for option in options:
        equal = option.verdict is Verdict.PASS
        style = "green" if option.recommended else "dim" if equal else "yellow"
        # The figure says why where nothing was measured; the note says it everywhere else.
        words = [setting_words(option.settings), speed_words(option)]
        words += [option.note] if option.note and option.note not in words else []
        yield _item(": ".join(word for word in words if word), option.verdict.value, style)


def _said(piece: Advice, result: AuditResult) -> bool:
    """Whether a piece of advice only repeats the cause and its settings, which stand at the top."""
    return bool(result.cause_evidence) and result.cause_evidence in piece.reason


def _advice(pieces: Sequence[Advice]) -> Iterator[RenderableType]:
    for piece in pieces[:_MOST_ADVICE]:
        yield _titled("next", piece.title)
        if piece.reason:
            yield _item(piece.reason)
        if piece.settings:
            yield _item(setting_words(piece.settings))
    if len(pieces) > _MOST_ADVICE:
        yield _item(f"and {len(pieces) - _MOST_ADVICE} more, in the HTML report")
