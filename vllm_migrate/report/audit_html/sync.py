"""Ways to update weights in a running engine, each against a cold engine on the new weights."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from vllm_migrate.report.audit_html.markup import text
from vllm_migrate.report.audit_html.pieces import mark, row, section, table
from vllm_migrate.report.numbers import count, number
from vllm_migrate.report.part_words import sync_flight, sync_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.audit.sections import SyncCase

_STATE = {"as a cold engine": "pass", "differs": "fail", "not tried": "inconclusive"}


def sync_section(cases: Sequence[SyncCase]) -> str:
    """The section; empty where nothing was tried."""
    if not cases:
        return ""
    flights = any(sync_flight(case) for case in cases)
    heads = any(case.head for case in cases)
    head = [
        "way",
        "prefix caching",
        "cache reset",
        *(["head"] if heads else []),
        "afterwards",
        "tokens differing",
    ]
    head += ["mean |Δ|", "max |Δ|", "new weights moved", *(["tokens in flight"] if flights else []), "note"]
    groups = []
    for engine, members in groupby(cases, key=lambda case: case.engine):
        rows = "".join(_case(case, heads=heads, flights=flights) for case in members)
        title = f'<tr><th scope="rowgroup" colspan="{len(head)}">{text(engine)}</th></tr>'
        groups.append(f'<tbody class="group">{title}{rows}</tbody>')
    caption = (
        "A small known change of the weights, brought into a running engine; then the same tokens, compared "
        "with a cold engine that started on the new weights. Differences in nats. “New weights moved” is the "
        "distance from old weights to new: what a skipped update would show."
    )
    return section("Weight updates", table(caption, head, "".join(groups), "sticky"))


def _case(case: SyncCase, *, heads: bool, flights: bool) -> str:
    state = sync_state(case)
    cells = [
        f"<td>{'on' if case.prefix_caching else 'off'}</td>",
        f"<td>{'yes' if case.reset else 'no'}</td>",
        *([f"<td>{text(case.head or 'as configured')}</td>"] if heads else []),
        f"<td>{mark(state, _STATE[state])}</td>",
        f'<td class="n">{f"{count(case.differing)} of {count(case.tokens)}" if case.tokens else ""}</td>',
        *(
            f'<td class="n">{"" if value is None else number(value)}</td>'
            for value in (case.mean_abs, case.max_abs, case.moved)
        ),
        *([f'<td class="wrap">{text(sync_flight(case))}</td>'] if flights else []),
        f'<td class="wrap">{text(case.note)}</td>',
    ]
    return row(text("no update" if case.mode == "none" else case.mode), cells)
