"""What can be turned on again without losing parity, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.report.audit_html.markup import phrase, text, visible
from vllm_migrate.report.audit_html.pieces import mark, row, section, table, verdict_mark
from vllm_migrate.report.part_words import speed_words
from vllm_migrate.report.settings_code import python_keywords, setting_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.audit.sections import Advice, SpeedOption


def speed_section(options: Sequence[SpeedOption]) -> str:
    """The section; empty where nothing was tried."""
    rows = [
        row(
            f"<code>{visible(setting_words(option.settings), longest=300)}</code>",
            [
                f"<td>{verdict_mark(option.verdict)}</td>",
                f'<td class="n">{text(speed_words(option))}</td>',
                f"<td>{mark('recommended', 'pass') if option.recommended else ''}</td>",
                f'<td class="wrap">{text(option.note)}</td>',
            ],
        )
        for option in options
    ]
    caption = (
        "Optimisations that parity turned off, turned on again. The verdict is on the same tokens; "
        "throughput is relative to the parity settings, with a 95% interval."
    )
    head = ["turned on", "signal", "throughput", "", "note"]
    return (
        section("Speed to earn back", table(caption, head, f"<tbody>{''.join(rows)}</tbody>", "sticky"))
        if rows
        else ""
    )


def advice_section(advice: Sequence[Advice]) -> str:
    """What to do next, most useful first; empty where there is nothing to say."""
    items = "".join(
        f"<li><p><strong>{phrase(piece.title)}</strong></p><p>{phrase(piece.reason)}</p>"
        + (f"<pre>{text(python_keywords(piece.settings))}</pre>" if piece.settings else "")
        + "</li>"
        for piece in advice
    )
    return section("What to do next", f'<ol class="advice">{items}</ol>') if items else ""
