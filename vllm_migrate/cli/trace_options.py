"""Options about prompts and traces that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

_PROMPTS, _TRACES = "Prompts", "Traces"

PromptColumn = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Column that holds the prompt; else prompt, prompt_token_ids or messages.",
        rich_help_panel=_PROMPTS,
    ),
]
Strata = Annotated[
    int,
    typer.Option(
        min=0,
        help="Bands of lengths that --limit draws from evenly, by --seed; 0 takes the first N.",
        rich_help_panel=_PROMPTS,
    ),
]
ExpiresDays = Annotated[
    int,
    typer.Option(min=0, help="A recorded trace expires after N days; 0 never.", rich_help_panel=_TRACES),
]
AllowExpired = Annotated[
    bool,
    typer.Option("--allow-expired", help="Use an expired reference all the same.", rich_help_panel=_TRACES),
]
Redact = Annotated[
    bool,
    typer.Option(
        "--redact",
        help="Keep texts and tokens out of reports and of the trace that is written.",
        rich_help_panel=_TRACES,
    ),
]
Resume = Annotated[
    Optional[Path],  # noqa: UP045 - evaluated at run time, by the oldest supported Python
    typer.Option(
        metavar="DIR",
        help="Keep what is finished here, and continue from it; by default in the cache until the verdict.",
        rich_help_panel=_TRACES,
    ),
]
Fresh = Annotated[
    bool,
    typer.Option("--fresh", help="Don't continue an interrupted run.", rich_help_panel=_TRACES),
]
