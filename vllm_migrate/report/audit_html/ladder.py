"""Why the candidate differs: the ladder as a waterfall, and every rung with its figures and its control."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.report.audit_html import svg
from vllm_migrate.report.audit_html.markup import estimate, phrase, text, visible
from vllm_migrate.report.audit_html.pieces import figure, note, row, section, table
from vllm_migrate.report.numbers import estimated, number, seconds
from vllm_migrate.report.part_words import (
    AGAINST,
    HOW,
    cause_words,
    ladder_remainder,
    rung_effect,
    rung_name,
)
from vllm_migrate.report.settings_code import setting_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.audit.sections import Ladder, Rung

MOST_DRAWN = 14
_ROW, _BAR = 34, 11
_LONGEST_NAME = 46  # characters that fit above a bar, beside its figure


def ladder_section(ladder: Ladder | None) -> str:
    """The section; empty where there is no ladder."""
    if ladder is None:
        return ""
    body = note(ladder.note)
    if ladder.rungs:
        drawn = _drawn(ladder)
        if drawn:
            said = (
                "Mean |Δlogp| before and after each change, over the same tokens, in the order in which they "
                "were tried. Each bar is what one change removes, by itself or on top of those named in the "
                "table; the dashed line is the noise floor."
            )
            body += figure("What each change removes", said, _waterfall(ladder, drawn))
        body += "".join(f"<p>{phrase(said)}</p>" for said in ladder_remainder(ladder))
        body += _table(ladder)
    excess = f"<p>Excess over the noise floor: {phrase('mean |Δlogp|')} {estimate(ladder.excess)} nats.</p>"
    return section("Why it differs", (excess if ladder.rungs else "") + body)


def _drawn(ladder: Ladder) -> list[Rung]:
    """The rungs on one scale: those measured against what the first one is measured against."""
    measured = [rung for rung in ladder.rungs if rung.before is not None and rung.after is not None]
    return [rung for rung in measured if rung.against == measured[0].against][:MOST_DRAWN]


def _waterfall(ladder: Ladder, drawn: Sequence[Rung]) -> str:
    spans = [(rung.before or 0.0, rung.after or 0.0) for rung in drawn]
    start = spans[0][0]
    floor = max(0.0, start - ladder.excess.value)
    left = None if ladder.residual is None else floor + ladder.residual.value * ladder.excess.value
    rows = len(drawn) + 1 + (left is not None)
    height = 26 + rows * _ROW + 40
    top = max(start, *(max(span) for span in spans), left or 0.0)
    x = svg.Scale(0.0, 1.06 * top or 1.0, start=8, stop=svg.WIDTH - 14)
    foot = height - 40
    body = [svg.line(x(v), 14, x(v), foot, "grid") for v in svg.linear_ticks(0, x.high)]
    body += [svg.label(x(v), foot + 17, svg.tick(v), "tick", "middle") for v in svg.linear_ticks(0, x.high)]
    body.append(svg.label(x.stop, foot + 34, "mean |Δlogp|, nats", "name", "end"))
    body.append(svg.line(x(floor), 14, x(floor), foot, "clip"))
    body.append(_bar(x, 0, (0.0, start), ("candidate", number(start)), "bar arm-candidate"))
    for n, (rung, (before, after)) in enumerate(zip(drawn, spans, strict=True), start=1):
        share = "" if rung.removed is None else _signed(-rung.removed.value)
        css = "bar arm-remedy" if after <= before else "bar arm-flip4"
        body.append(_bar(x, n, (before, after), (rung_name(rung), share), css))
        body.append(svg.line(x(before), _top(n) - _ROW + _BAR, x(before), _top(n), "axis"))
    if left is not None:
        n = len(drawn) + 1
        body.append(_bar(x, n, (0.0, left), ("left by all of them", number(left)), "bar arm-floor"))
    said = f"The candidate: mean |Δlogp| {number(start)}, noise floor {number(floor)} nats. "
    said += "; ".join(f"{rung_name(rung)[:120]}: {rung_effect(rung)}" for rung in drawn) + "."
    caption = svg.Caption("waterfall", "What each change removes of the divergence", said)
    return f'<div class="single">{svg.picture(caption, body, height)}</div>'


def _signed(share: float) -> str:
    """A share as a percentage to a tenth, with its sign: what a change does to the excess."""
    tenths = round(share * 1000)
    sign = "\N{MINUS SIGN}" if tenths < 0 else "+" if tenths else ""
    return f"{sign}{abs(tenths) / 10:g}%"


def _top(n: int) -> float:
    """Upper edge of a row's bar."""
    return 26 + n * _ROW + 6.0


def _bar(x: svg.Scale, n: int, span: tuple[float, float], words: tuple[str, str], css: str) -> str:
    """A row: what it is at the left, its figure at the right, its bar below."""
    name, value = words
    left, right = sorted(map(x, span))
    shown = name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
    return (
        svg.boxes([(left, _top(n), max(right - left, 1.2), _BAR)], css)
        + svg.label(x.start, _top(n) - 5, shown, "mark")
        + svg.label(x.stop, _top(n) - 5, value, "mark", "end")
    )


def _table(ladder: Ladder) -> str:
    head = ["suspect", "change", "how", "before", "after", "removes", "control and notes"]
    rows = "".join(_rung(rung) for rung in ladder.rungs)
    caption = (
        f"Shares are of the excess, {estimated(ladder.excess)} nats of mean |Δlogp| over the noise floor, "
        "with 95% intervals over prompts. The control shows that a change took effect."
    )
    return table(phrase(caption), head, f"<tbody>{rows}</tbody>", "sticky")


def _rung(rung: Rung) -> str:
    removed = "" if rung.removed is None else estimate(rung.removed, "share")
    against = "" if rung.against == "reference" else AGAINST.get(rung.against, rung.against)
    remarks = "; ".join(said for said in (rung.acted, against, rung.note) if said)
    setting = setting_words(rung.setting)
    layer = f'<span class="why">{text(rung.layer)}</span>' if rung.layer else ""
    spent = f'<span class="why">{seconds(rung.seconds)}</span>' if rung.seconds else ""
    cells = [
        f'<td class="wrap">{f"<code>{visible(setting)}</code>" if setting else ""}</td>',
        f"<td>{text(HOW.get(rung.how, rung.how))}{spent}</td>",
        *(f'<td class="n">{"" if v is None else number(v)}</td>' for v in (rung.before, rung.after)),
        f'<td class="n">{removed}</td>',
        f'<td class="wrap">{text(remarks)}</td>',
    ]
    return row(f"{text(cause_words(rung.cause))}{layer}", cells, "wrap")
