"""What the audit read in the user's code: each setting, where it is written, what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.audit.code.taken import Fate
from vllm_migrate.report.audit_html.markup import text, visible
from vllm_migrate.report.audit_html.pieces import row, table
from vllm_migrate.report.settings_code import literal

if TYPE_CHECKING:
    from vllm_migrate.audit.code.taken import Setting, Taken

FATES = {
    Fate.TAKEN: "taken",
    Fate.PLACE: "left to the audit",
    Fate.REFUSED: "refused by V1",
    Fate.UNRESOLVED: "not resolved",
    Fate.UNSUPPORTED: "not replayed",
}


def code_table(taken: Taken) -> str:
    """A row for each setting, in the order they are written."""
    rows = "".join(map(_setting, taken.settings))
    caption = f"{visible(taken.what)} at <code>{visible(taken.site)}</code>. Your code was read, not run."
    head = ["setting", "of", "value", "written at", "", "note"]
    return table(caption, head, f"<tbody>{rows}</tbody>", "sticky")


def _setting(setting: Setting) -> str:
    resolved = setting.fate is not Fate.UNRESOLVED
    value = literal(setting.value) if resolved else setting.written
    cells = [
        f"<td>{text(setting.part)}</td>",
        f'<td class="wrap"><code>{visible(value)}</code></td>',
        f'<td class="mono">{visible(setting.place)}</td>',
        f"<td>{text(FATES[setting.fate])}</td>",
        f'<td class="wrap">{text(setting.note)}</td>',
    ]
    return row(visible(setting.name or setting.written), cells, "mono")
