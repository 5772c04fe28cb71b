"""Options of `watch`."""

from __future__ import annotations

from typing import Annotated

import typer

RUNS, METRICS, STEPS, PROGRESS = "Runs", "Metrics", "Steps", "A run in progress"
"""Panels of the help."""

Runs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="REFERENCE CANDIDATE",
        help="Run logs: a file, a run's directory, a directory of runs (seeds), or a pattern.",
    ),
]
References = Annotated[
    list[str] | None,
    typer.Option(
        "--reference", metavar="PATH", help="A seed of the reference. Repeatable.", rich_help_panel=RUNS
    ),
]
Candidates = Annotated[
    list[str] | None,
    typer.Option(
        "--candidate", metavar="PATH", help="A seed of the candidate. Repeatable.", rich_help_panel=RUNS
    ),
]
Metric = Annotated[
    list[str] | None,
    typer.Option(
        metavar="THEIRS=OURS",
        help="What a metric of yours is, such as my/clipped=clip_rate. Repeatable.",
        rich_help_panel=METRICS,
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAMES", help="Judge these alone, with commas. Repeatable.", rich_help_panel=METRICS
    ),
]
Everything = Annotated[
    bool,
    typer.Option("--all", help="Judge every metric that all runs log.", rich_help_panel=METRICS),
]
Tolerance = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="A lasting difference of a metric that is none, in its unit (shares of 1). Repeatable.",
        rich_help_panel=METRICS,
    ),
]
Level = Annotated[
    float,
    typer.Option(
        min=1e-6,
        max=0.5,
        help="False alarms allowed, all metrics and looks together.",
        rich_help_panel=METRICS,
    ),
]
Step = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="Field that counts the steps; else known names.", rich_help_panel=STEPS
    ),
]
CandidateSteps = Annotated[
    float,
    typer.Option(
        metavar="FACTOR",
        min=1e-12,
        help="Multiply the candidate's steps, where both sides count different things.",
        rich_help_panel=STEPS,
    ),
]
FromStep = Annotated[
    float | None, typer.Option(metavar="N", help="Leave out earlier steps.", rich_help_panel=STEPS)
]
ToStep = Annotated[
    float | None, typer.Option(metavar="N", help="Leave out later steps.", rich_help_panel=STEPS)
]
Follow = Annotated[
    bool,
    typer.Option(
        "--follow",
        help="Read on until the candidate ends or leaves; Ctrl-C gives the verdict so far.",
        rich_help_panel=PROGRESS,
    ),
]
Every = Annotated[
    float,
    typer.Option(metavar="SECONDS", min=0.05, help="How often to read.", rich_help_panel=PROGRESS),
]
