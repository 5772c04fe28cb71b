"""Options of `reward`."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from vllm_migrate.errors import UsageError

_SAMPLES, _CALL, _MODEL, _PROBES = "Samples", "Calling the reward", "Reward models", "Probes"
_BYTES = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)


class RewardStyle(str, Enum):
    """How a reward function is called."""

    AUTO = "auto"
    TRL = "trl"
    VERL = "verl"
    TEXT = "text"
    PROMPT_TEXT = "prompt-text"
    TEXT_ANSWER = "text-answer"
    PROMPT_TEXT_ANSWER = "prompt-text-answer"


Rewards = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[REWARD...]",
        help="file.py:function or package.module:function, with =0.7 behind each of several; or a directory "
        "to look for one in. By default the configuration's.",
    ),
]
Rollouts = Annotated[
    Path | None,
    typer.Option(
        help="Completions to score: a trace, or rows with prompt and completion.", rich_help_panel=_SAMPLES
    ),
]
Prompts = Annotated[
    Path | None,
    typer.Option(
        help="Prompts with answers, where there are no completions yet: right and wrong ones are made.",
        rich_help_panel=_SAMPLES,
    ),
]
PromptColumn = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Column that holds the prompt; else prompt, prompt_token_ids or messages.",
        rich_help_panel=_SAMPLES,
    ),
]
CompletionColumn = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="Column of the completion, or of a list of them.", rich_help_panel=_SAMPLES
    ),
]
AnswerColumn = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="Column of the reference answer; else the usual ones.", rich_help_panel=_SAMPLES
    ),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Use the first N prompts.", rich_help_panel=_SAMPLES)]
Style = Annotated[
    RewardStyle | None,
    typer.Option(help="How it is called; by its signature if auto.", rich_help_panel=_CALL),
]
Batch = Annotated[int, typer.Option(min=1, help="Completions a call.", rich_help_panel=_CALL)]
Python = Annotated[
    Path | None,
    typer.Option(metavar="PATH", help="Interpreter to run it, with what it imports.", rich_help_panel=_CALL),
]
SecondsPerText = Annotated[
    float,
    typer.Option(min=0.001, help="A call that takes longer, times its texts, hangs.", rich_help_panel=_CALL),
]
TimeLimit = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        min=0.001,
        help="Ask nothing more after this long in all; what is left is not judged.",
        rich_help_panel=_CALL,
    ),
]
Memory = Annotated[
    str,
    typer.Option(
        metavar="SIZE", help="Address space for each of its processes, such as 4G.", rich_help_panel=_CALL
    ),
]
Environment = Annotated[
    list[str] | None,
    typer.Option(
        "--env",
        metavar="NAME",
        help="Let it see this environment variable. Repeatable.",
        rich_help_panel=_CALL,
    ),
]
Home = Annotated[bool, typer.Option("--home", help="Let it see your home directory.", rich_help_panel=_CALL)]
NoNetwork = Annotated[
    bool,
    typer.Option(
        "--no-network",
        help="Cut it off the network; where that is not possible, it is not run.",
        rich_help_panel=_CALL,
    ),
]
Resume = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Keep what was answered here, and don't ask it again.", rich_help_panel=_CALL
    ),
]
Model = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Checkpoint of a reward model, in place of a function.", rich_help_panel=_MODEL
    ),
]
Label = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=0, help="Its label that is the reward, if it has several.", rich_help_panel=_MODEL
    ),
]
V0 = Annotated[
    str,
    typer.Option(
        metavar="ENGINE", help="Have V0's pooling engine score it as well: v0.", rich_help_panel=_MODEL
    ),
]
V1 = Annotated[
    str,
    typer.Option(
        metavar="ENGINE",
        help="Have V1's pooling engine score it as well: v1, v1@0.18.1, ...",
        rich_help_panel=_MODEL,
    ),
]
V0Arguments = Annotated[
    list[str] | None,
    typer.Option(
        "--v0-args", metavar="ARGS", help="V0's LLM arguments: JSON or key=value.", rich_help_panel=_MODEL
    ),
]
V1Arguments = Annotated[
    list[str] | None,
    typer.Option(
        "--v1-args", metavar="ARGS", help="V1's LLM arguments: JSON or key=value.", rich_help_panel=_MODEL
    ),
]
Select = Annotated[
    list[str] | None,
    typer.Option(metavar="PROBES", help="Ask only these; commas between.", rich_help_panel=_PROBES),
]
Ignore = Annotated[
    list[str] | None,
    typer.Option(metavar="PROBES", help="Leave these out; commas between.", rich_help_panel=_PROBES),
]
Most = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=8,
        help="Samples that a probe which changes texts begins with.",
        rich_help_panel=_PROBES,
    ),
]
Seed = Annotated[int, typer.Option(help="Of whatever is drawn.", rich_help_panel=_PROBES)]
ListProbes = Annotated[
    bool,
    typer.Option("--list", help="List the probes, their limits and where these come from.", is_eager=True),
]
Explain = Annotated[str | None, typer.Option(metavar="PROBE", help="Say what a probe does.", is_eager=True)]


def bytes_of(text: str) -> int:
    """A size such as 512M, 4G or 4GiB in bytes.

    Raises:
        UsageError: it is none.
    """
    matched = _BYTES.fullmatch(text.strip())
    size = float(matched[1]) * 1024 ** " KMGT".index(matched[2].upper() or " ") if matched else 0
    if size < 1:
        raise UsageError(f"--memory {text!r} is no size", hint="such as 512M or 4G")
    return int(size)
