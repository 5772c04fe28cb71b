"""Help in panels without rich: a command's options under the headings that they name."""

from __future__ import annotations

from typing import Any

import typer.core

_ARGUMENTS, _OPTIONS = "Arguments", "Options"


class PanelCommand(typer.core.TyperCommand):
    """A command whose options stand under their `rich_help_panel`, in the order these are first named."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the panels; what names none stands under Arguments or Options."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is None:
                continue
            usual = _ARGUMENTS if param.param_type_name == "argument" else _OPTIONS
            panels.setdefault(getattr(param, "rich_help_panel", None) or usual, []).append(record)
        for panel, records in panels.items():
            with formatter.section(panel):
                formatter.write_dl(records)
