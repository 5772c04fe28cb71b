"""From measurements to verdicts.

PASS needs equivalence shown: for every gating metric the one-sided 95% upper bound lies within the margin (an
intersection-union test, so no correction for their number). FAIL needs a difference shown: for at least
one metric the margin is exceeded at one-sided 2.5%, by Holm's procedure over the family. Anything else is
INCONCLUSIVE. A difference from zero is not a failure: with enough tokens every difference is significant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vllm_migrate.audit.decide.statistics import FEWEST_PROMPTS, SIGNED, Bootstrap, bootstrap_metrics, holm
from vllm_migrate.audit.decide.thresholds import GATING, Thresholds, load_thresholds
from vllm_migrate.audit.figures.metrics import ClipRange, reduce_tokens
from vllm_migrate.audit.result import Check, Metrics, Verdict
from vllm_migrate.audit.summary import summarise

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray


# The probe asks one question, whether the logprobs mean the same, and asks it on few tokens. A semantic
# difference moves these three by an order of magnitude; the tails need more tokens than a probe has.
PROBE_FAMILY = ("mean_abs", "k2", "clip_rate")
_TAIL = "tail_f2"  # a family without it does not ask after rare tokens


@dataclass(frozen=True, slots=True)
class Levels:
    """One-sided error probabilities: of a PASS at the margin, and of a FAIL (over the family) at the margin.

    The defaults are for a sample looked at once; `audit/decide/sequential.py` has those for several looks.
    """

    of_pass: float = 0.05
    of_fail: float = 0.025


ONE_LOOK = Levels()


@dataclass(frozen=True, slots=True)
class Comparison:
    """One arm's logprobs against others on the same tokens: the metrics and what the checks need."""

    metrics: Metrics
    bootstrap: Bootstrap


@dataclass(frozen=True, slots=True)
class Gate:
    """A comparison to be judged: its name, the noise measured beside it, and which metrics gate.

    The largest of `floors` is the noise floor, metric by metric.
    """

    name: str
    comparison: Comparison
    floors: tuple[Metrics | None, ...] = ()
    family: Sequence[str] = GATING


def compare(
    sampler: NDArray[np.float64],
    other: NDArray[np.float64],
    prompts: NDArray[np.int64],
    *,
    clip: ClipRange,
    policy_is_other: bool,
    seed: int = 0,
    sequences: NDArray[np.int64] | None = None,
) -> Comparison:
    """Reduce, resample and summarise one pair of logprob arrays; arguments as in `metrics.reduce_tokens`."""
    sums = reduce_tokens(
        sampler, other, prompts, clip=clip, policy_is_other=policy_is_other, sequences=sequences
    )
    bootstrap = bootstrap_metrics(sums, seed=seed)
    return Comparison(summarise(sums, bootstrap), bootstrap)


def judge(
    tested: Iterable[Gate], *, thresholds: Thresholds | None = None, levels: Levels = ONE_LOOK
) -> tuple[Verdict, tuple[Check, ...]]:
    """The verdict over one family of checks, and the checks themselves.

    Args:
        tested: the comparisons.
        thresholds: the margins; the shipped ones if None.
        levels: error probabilities.
    """
    table = (thresholds or load_thresholds()).metrics
    rows: list[tuple[Gate, str, float, str]] = []
    p_values: dict[str, float] = {}
    for index, item in enumerate(tested):
        for metric in item.family:
            floor = _floor(item.floors, metric)
            if metric == "clip_rate" and floor is not None and floor > table[metric].cap:
                continue  # the clip range lies within the noise the reference has, too: see `below_noise`
            margin, source = table[metric].against(floor)
            p_values[f"{index}.{metric}"] = _p_beyond(item.comparison.bootstrap, metric, margin)
            rows.append((item, metric, margin, source))
    beyond = holm(p_values, levels.of_fail)
    checks = tuple(
        _check(
            item,
            metric,
            margin,
            source,
            failed=key in beyond,
            alpha=levels.of_pass,
            unseen=table[metric].unseen if _TAIL in item.family else 0.0,
        )
        for (item, metric, margin, source), key in zip(rows, p_values, strict=True)
    )
    return combine(check.verdict for check in checks), checks


def below_noise(tested: Iterable[Gate], thresholds: Thresholds | None = None) -> float | None:
    """The reference's own clip rate where it is so high that the candidate's can't be judged; else None.

    A clip range narrower than the engines' noise clips V0's tokens against the trainer as it clips V1's: a
    property of the range, which is reported, and no difference between engines, which would gate. GSPO's
    range of a few 1e-4 is often such a one.
    """
    cap = (thresholds or load_thresholds()).metrics["clip_rate"].cap
    loud = [
        floor for item in tested if (floor := _floor(item.floors, "clip_rate")) is not None and floor > cap
    ]
    return max(loud, default=None)


def _check(
    item: Gate, metric: str, margin: float, source: str, *, failed: bool, alpha: float, unseen: float
) -> Check:
    bootstrap = item.comparison.bootstrap
    low, high = bootstrap.interval(metric, unseen)
    if bootstrap.prompts < FEWEST_PROMPTS:
        verdict = Verdict.INCONCLUSIVE
    elif failed:
        verdict = Verdict.FAIL
    elif _within(bootstrap, metric, margin, alpha, unseen):
        verdict = Verdict.PASS
    else:
        verdict = Verdict.INCONCLUSIVE
    return Check(
        metric=metric,
        value=bootstrap.value(metric),
        low=low,
        high=high,
        margin=margin,
        source=source,
        verdict=verdict,
        comparison=item.name,
    )


def _p_beyond(bootstrap: Bootstrap, metric: str, margin: float) -> float:
    above = bootstrap.p_exceeds(metric, margin)
    return min(1.0, above, bootstrap.p_below(metric, -margin)) if metric in SIGNED else above


def _within(bootstrap: Bootstrap, metric: str, margin: float, alpha: float, unseen: float) -> bool:
    inside = bootstrap.upper(metric, alpha, unseen) <= margin
    return inside and (metric not in SIGNED or bootstrap.lower(metric, alpha) >= -margin)


def _floor(floors: Iterable[Metrics | None], metric: str) -> float | None:
    return max((abs(getattr(floor, metric).value) for floor in floors if floor is not None), default=None)


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """FAIL if any is FAIL, PASS if all are PASS, else INCONCLUSIVE; nothing at all is INCONCLUSIVE."""
    seen = set(verdicts)
    if Verdict.FAIL in seen:
        return Verdict.FAIL
    return Verdict.PASS if seen == {Verdict.PASS} else Verdict.INCONCLUSIVE
