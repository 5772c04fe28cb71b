"""Options of `audit` alone."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from vllm_migrate.cli.live_options import FIGURES, TRACES

_ENGINES, _CODE, _CAUSE, _TRAINER, _SYNC = "Engines", "Your code", "Cause", "Trainer", "Weight sync"
_SCALE = "Scale-out"


class LadderMode(str, Enum):
    """How many settings are changed to find a cause."""

    AUTO = "auto"
    ALL = "all"
    NONE = "none"


class ScorePath(str, Enum):
    """Where logprobs of given tokens come from."""

    DECODE = "decode"
    PREFILL = "prefill"


class HeadPrecision(str, Enum):
    """What a trainer's last projection is computed in."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


class SyncProbing(str, Enum):
    """Which weight updates are tried in the candidate's live engine."""

    AUTO = "auto"
    OWN = "own"
    ALL = "all"
    NONE = "none"


class ExecutorName(str, Enum):
    """Where the engines run."""

    LOCAL = "local"
    RAY = "ray"


Model = Annotated[Path | None, typer.Option(help="Directory of the checkpoint.")]
V0 = Annotated[
    str,
    typer.Option(
        help="The reference engine; emulated: where no V0 runs, V1 with the parity recipe in its place.",
        rich_help_panel=_ENGINES,
    ),
]
V1 = Annotated[
    str,
    typer.Option(help="The candidate engine, such as v1 or v1@0.18.1.", rich_help_panel=_ENGINES),
]
V0Python = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH", help="An interpreter of yours with vLLM for the reference.", rich_help_panel=_ENGINES
    ),
]
V1Python = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH", help="An interpreter of yours with vLLM for the candidate.", rich_help_panel=_ENGINES
    ),
]
V1Url = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="A running vLLM or TRL server as the candidate, http://host:port; judged by its own tokens.",
        rich_help_panel=_ENGINES,
    ),
]
ServerSeeds = Annotated[
    bool | None,
    typer.Option(
        "--server-seeds/--no-server-seeds",
        help="Seed requests to a server. Default: where it is shown not to run on a CPU.",
        rich_help_panel=_ENGINES,
    ),
]
V0Arguments = Annotated[
    list[str] | None,
    typer.Option(help="LLM arguments of the reference: JSON object or key=value.", rich_help_panel=_ENGINES),
]
V1Arguments = Annotated[
    list[str] | None,
    typer.Option(help="LLM arguments of the candidate: JSON object or key=value.", rich_help_panel=_ENGINES),
]
GpuMemoryUtilization = Annotated[
    float | None,
    typer.Option(help="Share of the GPU's memory for each engine in its turn.", rich_help_panel=_ENGINES),
]
TensorParallelSize = Annotated[
    int | None,
    typer.Option(
        help="Of both engines: GPUs (on a CPU, processes) that share each layer.",
        rich_help_panel=_ENGINES,
    ),
]
PipelineParallelSize = Annotated[
    int | None,
    typer.Option(help="Of both engines: stages of layers. V0 has 1 only.", rich_help_panel=_ENGINES),
]
Seed = Annotated[int, typer.Option(help="Of sampling and resampling.")]
Objective = Annotated[
    str | None,
    typer.Option(
        help="ppo, grpo, gspo, cispo or reinforce: what your clip range clips; brings its usual range.",
        rich_help_panel=FIGURES,
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(help="Margins: bf16, fp8, moe or strict-bitwise.", rich_help_panel=FIGURES),
]
ExtendUntilDecided = Annotated[
    bool,
    typer.Option(
        "--extend-until-decided",
        help="Look at a quarter of the prompts, then at more, until PASS or FAIL; at most four looks.",
        rich_help_panel=FIGURES,
    ),
]
TimeBudget = Annotated[
    str | None,
    typer.Option(
        metavar="DURATION",
        help="Begin no further look that would end beyond this: 90s, 10m, 2h.",
        rich_help_panel=FIGURES,
    ),
]
MostSamples = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="With --extend-until-decided: once prompts run out, double their samples up to this many.",
        rich_help_panel=FIGURES,
    ),
]
PlanOnly = Annotated[
    bool,
    typer.Option(
        "--plan",
        help="Say how many prompts and tokens a resolution needs, and how long it takes; run nothing.",
        rich_help_panel=FIGURES,
    ),
]
Detect = Annotated[
    float,
    typer.Option(
        help="With --plan: excess of mean |dlogp| over its margin to tell, nats.", rich_help_panel=FIGURES
    ),
]
DetectReward = Annotated[
    float, typer.Option(help="With --plan: difference of rewards to rule out.", rich_help_panel=FIGURES)
]
FromCode = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATH[:LINE]",
        help="Take engine arguments, sampling and clip range from this file or directory; options given"
        " here win. Repeatable: the settings file in use, the line of the sampling parameters.",
        rich_help_panel=_CODE,
    ),
]
ApplyFound = Annotated[
    bool,
    typer.Option(
        "--apply",
        help="Write the settings found into the code of --from-code; shows the diff and asks first.",
        rich_help_panel=_CODE,
    ),
]
ApplyFrom = Annotated[
    Path | None,
    typer.Option(
        metavar="REPORT.json",
        help="Write what an earlier audit found, from its JSON report; runs no engine.",
        rich_help_panel=_CODE,
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Write without asking.", rich_help_panel=_CODE)]
AllowDirty = Annotated[
    bool,
    typer.Option(
        "--allow-dirty", help="Also over changes that git has not committed.", rich_help_panel=_CODE
    ),
]
Ladder = Annotated[
    LadderMode,
    typer.Option(
        help="Settings to change one by one to find a cause: what has a chance, all, or none.",
        rich_help_panel=_CAUSE,
    ),
]
EarnSpeed = Annotated[
    bool,
    typer.Option(
        "--earn-speed",
        help="Time what parity turns off, and say which of it keeps the signal.",
        rich_help_panel=_CAUSE,
    ),
]
V1Sampling = Annotated[
    list[str] | None,
    typer.Option(
        help="Sampling settings of the candidate's requests where they differ: JSON object or key=value.",
        rich_help_panel=_CAUSE,
    ),
]
V1Scores = Annotated[
    ScorePath,
    typer.Option(
        help="Where your code takes the candidate's logprobs from: decode, or prefill (prompt_logprobs).",
        rich_help_panel=_CAUSE,
    ),
]
TrainerHead = Annotated[
    HeadPrecision | None,
    typer.Option(
        help="Precision of your trainer's head; an engine with another then fails.",
        rich_help_panel=_TRAINER,
    ),
]
SyncProbe = Annotated[
    SyncProbing,
    typer.Option(
        help="Weight updates to try: the usual ones, your own, all (behind AsyncLLM, too), or none.",
        rich_help_panel=_SYNC,
    ),
]
SyncWay = Annotated[
    str | None,
    typer.Option(
        help="How your code brings in weights, such as reload+reset or pause-keep; that gates.",
        rich_help_panel=_SYNC,
    ),
]
Reference = Annotated[
    Path | None, typer.Option(help="Use a recorded reference instead of V0.", rich_help_panel=TRACES)
]
SaveReference = Annotated[
    Path | None, typer.Option(help="Record the reference here.", rich_help_panel=TRACES)
]
Executor = Annotated[
    ExecutorName,
    typer.Option(
        help="Where the engines run: this machine, or a Ray cluster (pip install 'vllm-migrate\\[ray]').",
        rich_help_panel=_SCALE,
    ),
]
Replicas = Annotated[
    int | None,
    typer.Option(
        min=1, help="With ray: engines that share each arm's prompts; 1 by default.", rich_help_panel=_SCALE
    ),
]
RayAddress = Annotated[
    str,
    typer.Option(
        help="With ray: of the cluster; else this machine's, else a new one here.", rich_help_panel=_SCALE
    ),
]
ReplicaCpus = Annotated[
    int | None,
    typer.Option(min=1, help="With ray: processors for each replica; 1 by default.", rich_help_panel=_SCALE),
]
