"""What the figures are called, what they mean in one line, and the sentence at the top of the report."""

from __future__ import annotations

from dataclasses import dataclass

from vllm_migrate.audit.cause.causes import ABOUT
from vllm_migrate.audit.result import Arm, AuditResult, Cause, Check, Estimate, Metrics, Verdict
from vllm_migrate.objective import GSPO
from vllm_migrate.report.numbers import given, in_unit, limit, number, percent

MARKS = {Verdict.PASS: "✓", Verdict.FAIL: "✕", Verdict.INCONCLUSIVE: "?"}


@dataclass(frozen=True, slots=True)
class MetricWords:
    """How one figure is shown.

    Attributes:
        unit: "nats", "share" (shown as a percentage) or empty.
        meaning: one line; `{low}` and `{high}` are the bounds of the clip range, `{unit}` what is clipped.
        ideal: the value two equal engines have.
        digits: significant digits shown.
    """

    label: str
    unit: str
    meaning: str
    ideal: float = 0.0
    digits: int = 3


METRICS: dict[str, MetricWords] = {
    "mean_abs": MetricWords("mean |Δlogp|", "nats", "mean absolute difference of the token logprobs, nats"),
    "p99_abs": MetricWords("p99 |Δlogp|", "nats", "99 of 100 tokens differ by less, nats"),
    "max_abs": MetricWords("max |Δlogp|", "nats", "the token that differs most, nats"),
    "mean_ratio_deviation": MetricWords(
        "mean ratio deviation", "", "mean of exp(Δlogp) - 1; 0 where both sides have one distribution"
    ),
    "k1": MetricWords("KL k1", "nats", "mean of -Δlogp: unbiased, noisy, may be negative"),
    "k2": MetricWords("KL k2", "nats", "mean of Δlogp²/2: slightly biased, least noisy"),
    "k3": MetricWords("KL k3", "nats", "mean of exp(Δlogp) - Δlogp - 1: unbiased, heavy tail"),
    "tail_f2": MetricWords("F(2)", "share", "tokens whose ratio is above 2 or below 1/2"),
    "clip_rate": MetricWords(
        "clip rate",
        "share",
        "{unit} whose policy ratio leaves [{low}, {high}] though the policy has not moved",
    ),
    "mult_prob_err": MetricWords("probability error", "", "mean of exp |Δlogp|; 1 is ideal", 1.0, 4),
    "ess": MetricWords("ESS", "", "effective sample size (Σr)²/(N·Σr²) of the ratios; 1 is ideal", 1.0, 5),
    "outside_support": MetricWords(
        "outside support",
        "share",
        "tokens to which exactly one side gives probability zero; in no other figure",
    ),
}

COMPARISONS = {"reference": "reference", "trainer": "trainer", "probe": "semantic probe"}
"""What a check compares with, in words."""


def words_for(metric: str) -> MetricWords:
    """Words for a metric's name. A name without an entry stands for itself."""
    return METRICS.get(metric, MetricWords(metric, "", ""))


def clip_bounds(result: AuditResult) -> tuple[float, float]:
    """The user's clip range as bounds of the ratio, (0.8, 1.2) for a range of 0.2; 0 leaves a side open."""
    return 1 - result.clip_range, 1 + result.clip_range_high


def clipped_unit(result: AuditResult) -> str:
    """What the user's objective clips: "tokens", or "sequences" where the ratio is a sequence's."""
    return "sequences" if result.objective == GSPO else "tokens"


def clip_words(result: AuditResult) -> str:
    """The clip range and whose it is: `[0.8, 1.2], ppo, per token`."""
    low, high = (given(bound) for bound in clip_bounds(result))
    return f"[{low}, {high}], {result.objective}, per {clipped_unit(result).removesuffix('s')}"


def meaning(metric: str, result: AuditResult) -> str:
    """The one-line explanation, with the bounds of the clip range in it."""
    low, high = (given(bound) for bound in clip_bounds(result))
    return words_for(metric).meaning.format(low=low, high=high, unit=clipped_unit(result))


def figure(metrics: Metrics, name: str) -> Estimate:
    """One field of `metrics` as an estimate; plain floats have no interval."""
    value = getattr(metrics, name)
    return value if isinstance(value, Estimate) else Estimate(float(value))


def arm_label(arm: Arm) -> str:
    """An arm's name in words."""
    if arm.name.startswith("flip:"):
        return "flip " + arm.name.removeprefix("flip:")
    return arm.name.replace("-", " ")


def engine_label(arm: Arm) -> str:
    """Which engine, judged by the class that ran, and its version: "V1 0.32.0".

    A stand-in for V0 says that it is one, in front of what really ran.
    """
    if arm.engine.startswith("emulated"):
        return f"emulated V0 (V1 {arm.version})"
    if ".v1." in arm.engine_class:
        family = "V1"
    elif arm.runner == "endpoint":
        return f"{arm.engine_class} (vLLM {arm.version or 'of an unknown version'})"
    elif arm.runner == "v0":
        family = "V0"
    else:
        family = arm.engine.split("@")[0]
    return f"{family} {arm.version}".strip()


def find_arm(result: AuditResult, name: str) -> Arm | None:
    """The arm called `name`, or None."""
    return next((arm for arm in result.arms if arm.name == name), None)


def verdict_word(verdict: Verdict | None) -> str:
    """The verdict as it is printed."""
    return verdict.value if verdict else "NOT JUDGED"


def headline(result: AuditResult) -> str:
    """The one sentence a reader needs, without the verdict in front. Plain text."""
    candidate = find_arm(result, "candidate")
    if result.verdict is None or candidate is None:
        said = result.message.partition("\n")[0]
        return said or f"the audit ended before it could judge ({result.reason})"
    subject = f"{engine_label(candidate)} at these settings"
    figures = _key_figures(candidate, clipped_unit(result)) or result.message or result.reason
    if result.verdict is Verdict.PASS:
        return f"{subject} keeps the learning signal: {figures}"
    if result.verdict is Verdict.INCONCLUSIVE:
        why = _WHY_INCONCLUSIVE.get(result.reason, "figures lie too close to their margins to tell")
        return f"{subject} can be neither cleared nor blamed, because {why}: {figures}"
    if result.reason == "reward" and result.reward is not None:
        return f"{subject} moves the reward by {number(result.reward.difference.value)}: {figures}"
    if result.reason == "reward-integrity":
        return f"the reward can't be trusted to train against, whatever the engine: {figures}"
    return f"{subject} moves the learning signal: {figures}"


_WHY_INCONCLUSIVE = {
    "too-few-prompts": "there are too few prompts",
    "underpowered": "this run is too small to tell",
    "stand-in": "the stand-in for V0 is itself too far from the trainer",
    "reward": "the reward could not be judged",
}


def compared(arm: Arm, comparison: str) -> Metrics | None:
    """The arm's figures for one of `COMPARISONS`."""
    found = {
        "reference": arm.against_reference,
        "trainer": arm.against_trainer,
        "probe": arm.against_probe,
    }
    return found.get(comparison)


def _key_figures(arm: Arm, unit: str) -> str:
    """Mean |Δlogp| and clip rate of the comparison that failed first, and what else failed in it."""
    failed = [check for check in arm.checks if check.verdict is Verdict.FAIL]
    order = [name for name in COMPARISONS if any(check.comparison == name for check in failed)]
    shown = next((name for name in [*order, *COMPARISONS] if compared(arm, name)), "reference")
    metrics = compared(arm, shown)
    if metrics is None:
        return ""
    clipped = metrics.clip_rate.value
    share = f"no {unit.removesuffix('s')}" if clipped == 0 else f"{percent(clipped)} of {unit}"
    figures = [f"mean |Δlogp| {number(metrics.mean_abs.value)}", f"{share} clipped with an unmoved policy"]
    here = [check for check in failed if check.comparison == shown]
    if here and not any(check.metric in {"mean_abs", "clip_rate"} for check in here):
        figures += [_check_in_words(check) for check in here[:2]]
    return _WHERE[shown] + ", ".join(figures)


_WHERE = {
    "reference": "",
    "trainer": "against the trainer's forward ",
    "probe": "under the semantic probe's sampling ",
}


def _check_in_words(check: Check) -> str:
    words = words_for(check.metric)
    return f"{words.label} {in_unit(check.value, words.unit)} (margin {limit(check.margin, words.unit)})"


def cause_title(cause: Cause) -> str:
    """The cause in words; a cause without an entry stands for itself."""
    return ABOUT[cause].title if cause in ABOUT else cause.value
