"""The audit's result object. Every report renders this and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from vllm_migrate.statistics.verdict import Estimate, Verdict

if TYPE_CHECKING:
    from vllm_migrate.audit.code.taken import Taken
    from vllm_migrate.audit.sections import (
        Advice,
        Band,
        Diagnostic,
        Invariant,
        Ladder,
        PromptShift,
        RewardSplit,
        SettingRow,
        SpeedOption,
        SyncCase,
    )
    from vllm_migrate.reward.outcome import RewardReport

__all__ = [
    "SCHEMA",
    "Arm",
    "AuditResult",
    "Cause",
    "Check",
    "Estimate",
    "Metrics",
    "Remedy",
    "Reward",
    "RewardBin",
    "Verdict",
    "WorstToken",
]

SCHEMA = "vllm-migrate-audit/1"


class Cause(str, Enum):
    """Why a candidate differs from the reference.

    The list is published in docs/causes.md (made from `audit/cause/causes.py`); names are stable.
    """

    NONE = "none"
    INPUTS = "inputs"
    CHAT_TEMPLATE = "chat-template"
    WEIGHTS_OR_DTYPE = "weights-or-dtype"
    RAW_LOGPROBS = "raw-instead-of-processed-logprobs"
    PROMPT_LOGPROBS = "prompt-logprobs-temperature"
    SAMPLING = "sampling-settings"
    SAMPLING_PRECISION = "sampling-precision"
    GENERATION_CONFIG = "generation-config"
    PENALTIES = "penalties"
    HEAD_PRECISION = "head-precision"
    ATTENTION = "attention-or-compilation"
    DECODE_PREFILL = "decode-vs-prefill"
    PREFIX_CACHE = "prefix-cache"
    BATCHING = "batching"
    SCHEDULING = "scheduling"
    MOE_ROUTING = "moe-routing"
    STALE_PREFIX_CACHE = "stale-prefix-cache"
    SKIPPED_SYNC = "skipped-sync"
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True)
class Metrics:
    """Divergence of one arm from what it is compared with, over the same tokens.

    The tokens were drawn by one side. d is the other side's logprob minus that of the side that drew them,
    in nats, and the ratio is exp(d): on the reference's tokens d = candidate - reference, on an arm's own
    tokens d = trainer - arm. Tokens outside the support of one side count in `tokens` and
    `outside_support` and in nothing else.

    Attributes:
        mean_abs: mean |d|; `p99_abs`, `max_abs` its tail.
        mean_ratio_deviation: mean exp(d) - 1.
        k1, k2, k3: the three KL estimators over the sampled tokens: mean -d, mean d²/2, mean exp(d) - d - 1
            (J. Schulman, "Approximating KL divergence", 2020).
        tail_f2: share of tokens with max(ratio, 1/ratio) > 2.
        clip_rate: share of tokens (of sequences under GSPO) whose ratio, policy over behaviour, leaves the
            user's clip range though the policy has not moved. The policy is the trainer, or the reference in
            its place.
        ess: effective sample size (Σr)²/(N Σr²), 1 is ideal, unclamped.
        outside_support: share of tokens to which exactly one side gives probability zero.
        tokens, prompts: how many.
        mult_prob_err: mean exp |d|, NeMo-RL's token_mult_prob_error; 1 is ideal.
    """

    mean_abs: Estimate
    p99_abs: float
    max_abs: float
    mean_ratio_deviation: Estimate
    k1: Estimate
    k2: Estimate
    k3: Estimate
    tail_f2: Estimate
    clip_rate: Estimate
    ess: float
    outside_support: Estimate
    tokens: int
    prompts: int
    mult_prob_err: Estimate = field(default_factory=lambda: Estimate(1.0))


@dataclass(frozen=True, slots=True)
class Check:
    """One gating metric against its margin.

    Attributes:
        comparison: "reference" (the reference's tokens, forced), "trainer" (the arm's own tokens against the
            trainer's forward) or "probe" (the reference's tokens under the semantic probe's sampling
            profile).
        low, high: the 95% interval; high is never below the exact bound where events are rare.
    """

    metric: str
    value: float
    low: float | None
    high: float | None
    margin: float
    source: str
    verdict: Verdict
    comparison: str = "reference"


@dataclass(frozen=True, slots=True)
class RewardBin:
    """How many rewards of each side lie in [low, high); a single value has low = high."""

    low: float
    high: float
    reference: int
    candidate: int


@dataclass(frozen=True, slots=True)
class Reward:
    """Reward of the candidate's rollouts minus the reference's, paired by prompt.

    Attributes:
        distribution: the rewards of all rollouts, lowest first; empty where there is none to show.
        method: "free runs" (each side sampled its own completions) or "forced replay" (the reference's
            completions, weighted by the candidate's probability of them).
        split: what the difference of the free runs consists of; None where no completion could be compared.
    """

    reference: float
    candidate: float
    difference: Estimate
    margin: float
    smallest_detectable: float
    verdict: Verdict
    function: str = ""
    distribution: tuple[RewardBin, ...] = ()
    method: str = "free runs"
    split: RewardSplit | None = None


@dataclass(frozen=True, slots=True)
class Arm:
    """One engine under one configuration.

    Attributes:
        name: "reference", "noise-floor", "candidate" or "remedy".
        verdict: None for arms that are not judged (the reference, the noise floor).
        against_reference: on the reference's tokens, this arm's forced replay against the reference's own.
        against_probe: the same on the tokens of the semantic probe, where there was one.
        against_trainer: on the arm's own tokens, its reported logprobs against the trainer's forward.
        deltas: d per token of `against_reference`, for the plots; `positions` where in the completion each
            token stands, `reference_logprobs` the reference's logprob of it. All three have one length.
    """

    name: str
    engine: str
    engine_class: str
    runner: str
    version: str
    settings: dict[str, Any]
    verdict: Verdict | None
    against_reference: Metrics | None
    against_trainer: Metrics | None
    checks: tuple[Check, ...] = ()
    deltas: tuple[float, ...] = ()
    positions: tuple[int, ...] = ()
    reference_logprobs: tuple[float, ...] = ()
    worst: tuple[WorstToken, ...] = ()
    note: str = ""
    against_probe: Metrics | None = None


@dataclass(frozen=True, slots=True)
class WorstToken:
    """One of the tokens that moved most.

    Attributes:
        prompt, sample: which completion. position: of the token in it, from 0.
        reference, candidate: its logprob on both sides, nats; minus infinity outside a side's support.
        before, after: the tokens around it, in order; at the start of a completion `before` ends the prompt.
    """

    prompt: int
    position: int
    token: str
    reference: float
    candidate: float
    sample: int = 0
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Remedy:
    """The settings tried to restore parity, and what they achieved. It never rescues the candidate."""

    settings: dict[str, Any]
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class AuditResult:
    """Everything a report needs.

    Attributes:
        verdict: the candidate's. None where the audit could not judge; `reason` then is the error's slug.
        reason: "pass", "divergence", "invariant", "too-few-prompts", "underpowered", "stand-in" (for V0, too
            far from the trainer), "reward", "reward-integrity" (where `reward_check` fails and gates), or an
            error's slug ("usage", "input", "engine-died", "reward", ...) where `verdict` is None.
        cause: what the difference comes from; `cause_evidence` one sentence with its figures.
        settings: engine arguments to add to the candidate; empty on PASS.
        smallest_detectable: smallest mean |d| this run could have told from the margin, nats; None where it
            was not computed.
        timing: seconds per stage.
        clip_range, clip_range_high: a ratio outside [1 - clip_range, 1 + clip_range_high] is clipped by the
            user's `objective` (under gspo a sequence's ratio); clip_range 1 leaves the lower side open.
        profile: of the thresholds.
        diagnostics, bands, forest: figures that are reported and never gate, for the candidate.
        ladder: what was tried to explain the candidate's excess. invariants: what must hold exactly; one that
            fails gates. sync: ways to update weights, each against a cold engine.
        speed: optimisations that parity turned off, tried again. advice: what to do next, most useful first.
        settings_table: settings that differ between the arms or were changed by the ladder.
        assumptions: what was taken for granted where the user's code or options did not say.
        code: what was taken from the user's code, None without `--from-code`.
        reward_check: whether the reward can be trained against, None without `--check-reward`.
    """

    verdict: Verdict | None
    reason: str
    cause: Cause
    cause_evidence: str
    settings: dict[str, Any]
    remedy: Remedy | None
    reward: Reward | None
    arms: tuple[Arm, ...]
    timing: dict[str, float]
    model: str = ""
    sampling: dict[str, Any] = field(default_factory=dict)
    clip_range: float = 0.2
    clip_range_high: float = 0.2
    objective: str = "ppo"
    profile: str = "bf16"
    prompts: int = 0
    message: str = ""
    warnings: tuple[str, ...] = ()
    tool: str = ""
    created: str = ""
    smallest_detectable: float | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    bands: tuple[Band, ...] = ()
    forest: tuple[PromptShift, ...] = ()
    ladder: Ladder | None = None
    invariants: tuple[Invariant, ...] = ()
    sync: tuple[SyncCase, ...] = ()
    speed: tuple[SpeedOption, ...] = ()
    advice: tuple[Advice, ...] = ()
    assumptions: tuple[str, ...] = ()
    settings_table: tuple[SettingRow, ...] = ()
    code: Taken | None = None
    reward_check: RewardReport | None = None
