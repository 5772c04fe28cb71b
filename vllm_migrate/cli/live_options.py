"""Options that the commands about rollouts share: `audit`, `record` and `compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vllm_migrate.cli.report_output import ReportFormat

PROMPTS, SAMPLING, FIGURES, REWARD = "Prompts", "Sampling", "Figures", "Reward"
TRACES, OUTPUT = "Traces", "Output"
"""Panels of the help."""

Prompts = Annotated[
    Path | None,
    typer.Option(
        help="Prompts: JSON Lines, Parquet, a datasets directory, or text.", rich_help_panel=PROMPTS
    ),
]
PromptColumn = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Column that holds the prompt; else prompt, prompt_token_ids or messages.",
        rich_help_panel=PROMPTS,
    ),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Use N of the prompts.", rich_help_panel=PROMPTS)]
Strata = Annotated[
    int,
    typer.Option(
        min=0,
        help="Bands of lengths that --limit draws from evenly, by --seed; 0 takes the first N.",
        rich_help_panel=PROMPTS,
    ),
]
Samples = Annotated[int, typer.Option(help="Completions per prompt.", rich_help_panel=SAMPLING)]
Temperature = Annotated[float, typer.Option(help="Sampling temperature.", rich_help_panel=SAMPLING)]
TopP = Annotated[float, typer.Option(help="Nucleus; 1 is off.", rich_help_panel=SAMPLING)]
TopK = Annotated[int, typer.Option(help="Most likely tokens kept; -1 is off.", rich_help_panel=SAMPLING)]
MinP = Annotated[
    float,
    typer.Option(help="Least share of the top token's probability; 0 is off.", rich_help_panel=SAMPLING),
]
RepetitionPenalty = Annotated[float, typer.Option(help="1 is off.", rich_help_panel=SAMPLING)]
MaxTokens = Annotated[int, typer.Option(help="Longest completion.", rich_help_panel=SAMPLING)]
ClipRange = Annotated[float, typer.Option(help="Your objective's clip range.", rich_help_panel=FIGURES)]
ClipRangeHigh = Annotated[
    float | None, typer.Option(help="Its upper side, where it differs.", rich_help_panel=FIGURES)
]
Greedy = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=0,
        help="Complete N prompts greedily on both sides, too, to say where they part; 0 for none.",
        rich_help_panel=FIGURES,
    ),
]
Reward = Annotated[
    str | None,
    typer.Option(help="Reward function in TRL's form, file.py:function.", rich_help_panel=REWARD),
]
RequireReward = Annotated[
    bool,
    typer.Option("--require-reward", help="Let the reward's verdict gate, too.", rich_help_panel=REWARD),
]
CheckReward = Annotated[
    bool,
    typer.Option(
        "--check-reward",
        help="Ask the reward whether it can be trained against; a FAIL gates with --require-reward.",
        rich_help_panel=REWARD,
    ),
]
ExpiresDays = Annotated[
    int,
    typer.Option(min=0, help="A recorded trace expires after N days; 0 never.", rich_help_panel=TRACES),
]
AllowExpired = Annotated[
    bool,
    typer.Option("--allow-expired", help="Use an expired reference all the same.", rich_help_panel=TRACES),
]
Redact = Annotated[
    bool,
    typer.Option(
        "--redact",
        help="Keep texts and tokens out of reports and of the trace that is written.",
        rich_help_panel=TRACES,
    ),
]
Resume = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Keep what is finished here, and continue from it; by default in the cache until the verdict.",
        rich_help_panel=TRACES,
    ),
]
Fresh = Annotated[
    bool,
    typer.Option("--fresh", help="Don't continue an interrupted run.", rich_help_panel=TRACES),
]
OutputFormat = Annotated[ReportFormat, typer.Option(help="What to print.", rich_help_panel=OUTPUT)]
OutputFiles = Annotated[
    list[Path] | None,
    typer.Option(help="Also write a report here; its suffix says which. Repeatable.", rich_help_panel=OUTPUT),
]
NoProgress = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.", rich_help_panel=OUTPUT)]
