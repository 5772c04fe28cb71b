"""What an audit will do, decided before any engine starts.

Arms, all on the same prompts:

* reference: V0 samples; its reported logprobs are what everything else is held against.
* noise-floor: V0 again, in another process, the same tokens in another order and batch size.
* candidate: V1 as the user would run it.
* remedy: V1 with the parity recipe on top of the candidate's arguments; it never rescues the candidate.
* ladder: the candidate with one setting changed at a time, to find what its difference comes from.

Beside the user's own sampling profile stands a semantic probe where that profile can't tell raw logprobs from
processed ones: at temperature 1 with no truncation and no penalty the two are the same number, and an audit
there would pass an engine that reports the wrong one. The probe's tokens are sampled by the reference on the
first few prompts and forced through the other arms. It gates like the other comparisons, by mean |d|, k2 and
clip rate: a candidate fails if its probe fails, and does not pass before its probe does. That holds even for
users who will only ever sample at temperature 1: what the engine's logprobs mean should not depend on a
setting that is one edit away.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from vllm_migrate.audit.decide.judge import ONE_LOOK, Levels
from vllm_migrate.audit.decide.thresholds import Thresholds, load_thresholds
from vllm_migrate.audit.executors.executor import Scale
from vllm_migrate.errors import UsageError
from vllm_migrate.trace.expiry import DEFAULT_DAYS

if TYPE_CHECKING:
    from pathlib import Path

    from vllm_migrate.audit.figures.metrics import ClipRange
    from vllm_migrate.audit.sync.ways import SyncWay
    from vllm_migrate.prompts.files import PromptLine
    from vllm_migrate.reward.calling.named_reward import RewardFunction
    from vllm_migrate.workers.protocol import SamplingSettings

# What V1 needs to report and compute as V0 did. All three exist in every V1-only release (0.11 and later).
PARITY_RECIPE: dict[str, Any] = {
    "logprobs_mode": "processed_logprobs",
    "enable_prefix_caching": False,
    "async_scheduling": False,
}

PROBE_TEMPERATURE, PROBE_TOP_P, PROBE_REPETITION_PENALTY = 0.7, 0.9, 1.1
PROBE_PROMPTS = 16
GREEDY_PROMPTS = 16
FEWEST_WITH_TOP = 8

# Arguments of the candidate that change numbers and that V0 knows as well: the reference gets them too, so
# that a dtype the user chose is not mistaken for something V1 did.
SHARED_ARGUMENTS = (
    "dtype",
    "max_model_len",
    "quantization",
    "kv_cache_dtype",
    "load_format",
    "rope_scaling",
    "rope_theta",
    "hf_overrides",
    "trust_remote_code",
    "gpu_memory_utilization",
    "enforce_eager",
)


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """Everything `run_audit` needs.

    Attributes:
        prompts: the prompts, or none where `reference` brings them.
        v0, v1: engine specifications as the registry resolves them.
        v0_args, candidate_args: keyword arguments for `LLM(...)`.
        remedy_additions: what the parity recipe adds to the candidate's arguments; empty where the
            candidate has it.
        probe: sampling profile of the semantic probe, None where the user's profile separates by itself.
        candidate_sampling: what the candidate's requests set, where that differs from `sampling`.
        candidate_path: where the candidate's logprobs of given tokens come from: "decode", or "prefill" for
            code that scores with `prompt_logprobs`.
        reward: the user's reward function, None without one; `require_reward` whether what is found of it
            gates, `check_reward` whether it is asked itself if it can be trained against.
        ladder: "auto" (what has a chance to explain an excess), "all" or "none".
        earn_speed: whether to try the optimisations that parity turns off.
        sync_probe: which weight updates to try in the live engine: "auto", "own", "all" or
            "none".
        sync_way: how the user's code brings in weights, None where that is not known; its invariants gate.
        server_seeds: whether requests to a server carry seeds; None leaves it to what the server shows.
        trainer_head: precision of the trainer's head, "" where that is not known.
        thresholds: the margins; `levels` the error probabilities of this look.
        extend: whether to look several times, on more prompts each, until decided; no further look begins
            that would end beyond `time_budget`, seconds. Where prompts run out, up to `most_samples` of each.
        reference: a recorded trace to use in V0's place, an expired one where `allow_expired`;
            `save_reference` where to record one, which expires after `expires_days` (0: never).
        greedy: on how many prompts both sides also complete greedily, to say where they part.
        redact: keep texts and tokens out of the trace that is saved and out of the result.
        strata: how many bands of lengths the prompts are labelled with.
        scale: where the engines run, and how many share the prompts.
        resume: directory for what is finished, None for one in the cache; `fresh` not to continue from there.
    """

    model: Path
    prompts: tuple[PromptLine, ...]
    sampling: SamplingSettings
    samples: int
    seed: int
    clip: ClipRange
    v0: str
    v1: str
    v0_args: dict[str, Any]
    candidate_args: dict[str, Any]
    remedy_additions: dict[str, Any]
    probe: SamplingSettings | None
    reward: RewardFunction | None = None
    require_reward: bool = False
    check_reward: bool = False
    reference: Path | None = None
    save_reference: Path | None = None
    warnings: tuple[str, ...] = field(default=())
    thresholds: Thresholds = field(default_factory=load_thresholds)
    levels: Levels = ONE_LOOK
    extend: bool = False
    time_budget: float | None = None
    most_samples: int = 0
    sync_probe: str = "auto"
    sync_way: SyncWay | None = None
    server_seeds: bool | None = None
    trainer_head: str = ""
    candidate_sampling: SamplingSettings | None = None
    candidate_path: str = "decode"
    ladder: str = "auto"
    earn_speed: bool = False
    allow_expired: bool = False
    expires_days: int = DEFAULT_DAYS
    greedy: int = GREEDY_PROMPTS
    redact: bool = False
    strata: int = 4
    scale: Scale = field(default_factory=Scale)
    resume: Path | None = None
    fresh: bool = False


def separates(sampling: SamplingSettings) -> bool:
    """Whether raw and processed logprobs differ clearly under a sampling profile.

    The bounds are where the difference reaches the order of bf16 noise (about 0.01 nats) for a
    distribution of a few likely tokens; judgement.
    """
    return (
        abs(sampling.temperature - 1.0) >= 0.05  # noqa: PLR2004 - stated above
        or sampling.top_p <= 0.98  # noqa: PLR2004 - same
        or sampling.min_p >= 0.02  # noqa: PLR2004 - same
        or abs(sampling.repetition_penalty - 1.0) >= 0.02  # noqa: PLR2004 - same
    )


def probe_profile(sampling: SamplingSettings) -> SamplingSettings:
    """The user's lengths, stops and seed under processing that can't be missed."""
    return replace(
        sampling,
        temperature=PROBE_TEMPERATURE,
        top_p=PROBE_TOP_P,
        top_k=-1,
        min_p=0.0,
        repetition_penalty=PROBE_REPETITION_PENALTY,
    )


def greedy_profile(sampling: SamplingSettings) -> SamplingSettings:
    """The most likely token each time, of the distribution that penalties leave.

    On the smallest model sixteen such completions took 7% of the CPU time of sampling 512 (V0).
    """
    return replace(sampling, temperature=0.0, top_p=1.0, top_k=-1, min_p=0.0)


def prompts_with_top(prompts: int, samples: int) -> int:
    """On how many prompts the reference reports its most likely tokens, for the first sample of each.

    One sequence in 32, at least eight as far as these are no more than one in sixteen. It costs most on the
    smallest models: there one in sixteen took 6% more CPU time of the reference's sampling and one in 32 4%,
    in four runs each in random order on a busy CPU, which tell 8% apart and no less. The figure is exact per
    position, so few positions go a long way.
    """
    sequences = prompts * samples
    return min(prompts, max(sequences // 32, min(FEWEST_WITH_TOP, max(2, sequences // 16))))


def check_sampling(sampling: SamplingSettings, samples: int) -> None:
    """Refuse sampling settings that an RL rollout can't have.

    Raises:
        UsageError: names the setting.
    """
    checks = (
        (sampling.temperature > 0, "--temperature must be above 0: greedy decoding has no ratio to audit"),
        (0 < sampling.top_p <= 1, "--top-p must be above 0 and at most 1"),
        (sampling.top_k >= -1, "--top-k must be -1 or 0 (off) or a number of tokens"),
        (0 <= sampling.min_p <= 1, "--min-p must be between 0 and 1"),
        (sampling.repetition_penalty > 0, "--repetition-penalty must be above 0"),
        (sampling.max_tokens >= 1, "--max-tokens must be at least 1"),
        (samples >= 1, "--samples must be at least 1"),
    )
    for fine, message in checks:
        if not fine:
            raise UsageError(message)


def build_plan(
    *,
    model: Path,
    prompts: tuple[PromptLine, ...],
    sampling: SamplingSettings,
    samples: int,
    seed: int,
    clip: ClipRange,
    v0: str,
    v1: str,
    candidate_args: dict[str, Any],
    v0_args: dict[str, Any] | None = None,
    reward: RewardFunction | None = None,
    require_reward: bool = False,
    reference: Path | None = None,
    save_reference: Path | None = None,
    warnings: tuple[str, ...] = (),
    thresholds: Thresholds | None = None,
    may_lack_prompts: bool = False,
) -> AuditPlan:
    """A plan from the user's wishes.

    Raises:
        UsageError: the wishes contradict each other.
    """
    check_sampling(sampling, samples)
    if not 0 < clip.low <= 1 or clip.high <= 0:
        raise UsageError("--clip-range must be above 0 and at most 1")
    if require_reward and reward is None:
        raise UsageError("--require-reward needs --reward file.py:function")
    if reference is not None and save_reference is not None:
        raise UsageError("--reference and --save-reference exclude each other")
    if reference is None and not prompts and not may_lack_prompts:
        raise UsageError("--prompts is missing", hint="or give a recorded --reference")
    said = list(warnings)
    probe = None
    if not separates(sampling):
        probe = probe_profile(sampling)
        said.append(
            "this sampling profile can't tell raw from processed logprobs: at temperature"
            f" {sampling.temperature:g} with so little truncation they are (nearly) the same numbers; a"
            f" semantic probe at temperature {PROBE_TEMPERATURE:g}, top-p {PROBE_TOP_P:g} and repetition"
            f" penalty {PROBE_REPETITION_PENALTY:g} was added"
        )
    shared = {name: candidate_args[name] for name in SHARED_ARGUMENTS if name in candidate_args}
    return AuditPlan(
        model=model,
        prompts=prompts,
        sampling=sampling,
        samples=samples,
        seed=seed,
        clip=clip,
        thresholds=thresholds or load_thresholds(),
        v0=v0,
        v1=v1,
        v0_args={**shared, **(v0_args or {})},
        candidate_args=candidate_args,
        remedy_additions=parity_additions(candidate_args),
        probe=probe,
        reward=reward,
        require_reward=require_reward,
        reference=reference,
        save_reference=save_reference,
        warnings=tuple(said),
    )


def parity_additions(arguments: dict[str, Any]) -> dict[str, Any]:
    """What the parity recipe would add to, or change in, a candidate's arguments."""
    missing = object()
    return {name: value for name, value in PARITY_RECIPE.items() if arguments.get(name, missing) != value}
