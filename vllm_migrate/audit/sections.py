"""The parts of an audit's result beyond the verdict: plain values, one maker each, rendered by reports.

Every part may be empty: an audit from a recorded reference has no V0 engine to probe, a CPU no second head to
try. What could not be tried says so in a `note`; it is never left out silently.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vllm_migrate.statistics.verdict import Estimate, Verdict


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A figure that is reported beside the gating metrics and never gates.

    Attributes:
        metric: "top_k_kl", "entropy_shift", "probability_correlation", "perplexity_ratio", "mult_prob_error",
            "confident_disagreement", "length_shift", "finish_length_shift", "greedy_first_divergence", ...
        unit: "nats", "tokens", "share of tokens", "" for a ratio.
        warn: from where it deserves a look, with its `source`; None where no figure is published.
        notable: beyond `warn` by Benjamini-Hochberg over all diagnostics of the audit.
    """

    metric: str
    estimate: Estimate
    unit: str = ""
    warn: float | None = None
    source: str = ""
    notable: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Band:
    """Divergence of the candidate within a band: positions 64-127, probability 0.01-0.1, one stratum.

    Attributes:
        by: "position", "probability", "length" (of the completion), "stratum" (of the prompt's length),
            "prefix" (prompts that begin alike).
        label: the band in words; `low` and `high` its edges, half-open, None where it has none.
    """

    by: str
    label: str
    tokens: int
    mean_abs: Estimate
    k2: Estimate
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class PromptShift:
    """One prompt in the forest plot: mean signed d of its tokens, nats, 95% interval over samples."""

    prompt: int
    estimate: Estimate
    tokens: int


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of the ladder: a suspected cause, put to the test.

    Attributes:
        cause: a value of `Cause`.
        layer: "semantic", "path", "numerics", "sync", "inputs", "reward", "objective".
        setting: what was changed, `{"logprobs_mode": "processed_logprobs"}`; empty for a signature only.
        how: "live" (in the running engine), "second-engine" (same process), "restart", "signature" (no run).
        removed: share of the candidate's excess over the noise floor that this change removes, by itself or
            on top of what `note` names; None where it was not run or there was no excess.
        before, after: mean |d| against the reference, nats, without and with the change.
        acted: the control that shows that the change took effect, in words; "" where there is none.
        seconds: wall time of the rung.
        against: what `before`, `after` and `removed` are measured against: "reference", "probe" (the
            reference under the semantic probe's profile) or "trainer" (its fp32 forward).
    """

    cause: str
    layer: str
    setting: dict[str, Any]
    how: str
    removed: Estimate | None = None
    before: float | None = None
    after: float | None = None
    acted: str = ""
    seconds: float = 0.0
    note: str = ""
    against: str = "reference"


@dataclass(frozen=True, slots=True)
class Ladder:
    """What was tried to explain the candidate's excess, in the order it was tried.

    Attributes:
        metric: what shares are shares of: "mean_abs" (nats).
        excess: the candidate's mean |d| less the noise floor's.
        residual: share of the excess that all changes together leave; None where they were not run together.
        interaction: share of the excess by which the changes together differ from the sum of the single
            ones; None where fewer than two changes did anything.
    """

    metric: str
    excess: Estimate
    rungs: tuple[Rung, ...] = ()
    residual: Estimate | None = None
    interaction: Estimate | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Invariant:
    """Something that must hold exactly, or up to the engine's own repeat floor, whatever the noise.

    Attributes:
        name: "same-tokens-after-sync", "weights-match", "no-stale-prefix", "fp32-head", "repeats-itself", ...
        holds: None where it could not be tried; `note` then says why.
        value, allowed: the figure and its bound, in `unit`.
    """

    name: str
    holds: bool | None
    value: float | None = None
    allowed: float | None = None
    unit: str = "nats"
    tokens: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class SyncCase:
    """One way to update weights, compared with a cold engine on the new weights, over the same tokens.

    Attributes:
        engine: catalogue name. prefix_caching: on or off. reset: whether the cache was reset after it.
        mode: "reload", "reload-tensors", "in-place", "pause-keep", "pause-abort", "pause-wait", "sleep-wake",
            "none".
        mean_abs, max_abs: distance to the cold engine, nats; `moved` that of old weights to new.
        differing: tokens whose logprob is not bitwise that of the cold engine, of `tokens`.
        stale: beyond the cold engine's own repeat floor.
        head: "float32" where the head was computed in fp32, "" for the engine's own precision.
        cached: prompt tokens that came from the prefix cache; -1 where the engine does not tell.
        flight_old, flight_new: tokens of the sequences during which the update came, by the weights they
            were drawn with; `flight_mixed` sequences that hold both. None where nothing was running.
    """

    engine: str
    mode: str
    prefix_caching: bool
    reset: bool
    tokens: int = 0
    differing: int = 0
    mean_abs: float | None = None
    max_abs: float | None = None
    moved: float | None = None
    stale: bool | None = None
    note: str = ""
    head: str = ""
    cached: int = -1
    flight_old: int | None = None
    flight_new: int | None = None
    flight_mixed: int | None = None


@dataclass(frozen=True, slots=True)
class SpeedOption:
    """A V1 optimisation that parity turned off, turned on again.

    Attributes:
        settings: what was turned on. verdict: whether the signal stayed equivalent with it.
        speedup: throughput relative to the parity settings, tokens per second over tokens per second.
        recommended: PASS, and faster by more than the interval's width.
    """

    settings: dict[str, Any]
    verdict: Verdict
    speedup: Estimate
    recommended: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting in the reference, the candidate and the remedy, as it took effect there.

    Attributes:
        reference, candidate, remedy: the value; None where that arm has no such setting or was not run.
        given: "you" where the candidate's arguments set it, else "default".
        tried: whether the ladder changed it.
    """

    name: str
    reference: Any
    candidate: Any
    remedy: Any = None
    given: str = "default"
    tried: bool = False


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to do next: a headline, the reason with its figures, and the settings or text to use."""

    title: str
    reason: str
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RewardTerm:
    """One part of a reward's shift.

    Attributes:
        name: "truncation", "correctness", "length", "scorer" or "rest".
        estimate: its part of the difference, in the reward's unit, with its interval over prompts.
        reference, candidate: what it is about, by side: the share that was cut off, the share that is right,
            the mean length; None where nothing was counted.
        unit: of these two: "share", "tokens", "characters", "".
        note: why it is 0 where it could not be worked out.
    """

    name: str
    estimate: Estimate
    reference: float | None = None
    candidate: float | None = None
    unit: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class RewardSplit:
    """What the reward's shift between the free runs of both sides consists of.

    Attributes:
        total: the difference of the free runs, paired by prompt; the terms add up to it.
        terms: in the order in which one leads to the next.
        style: what the candidate's completions earn more at equal correctness, truncation and length, in
            standard deviations of the reference's rewards.
        style_margin: of equivalence, in the same unit; `style_verdict` by it, as for the shift itself.
        prompts, completions: how many.
        notes: what was taken for granted, and what to keep in mind.
    """

    total: Estimate
    terms: tuple[RewardTerm, ...]
    style: Estimate
    style_margin: float
    style_verdict: Verdict
    prompts: int
    completions: int
    notes: tuple[str, ...] = ()
