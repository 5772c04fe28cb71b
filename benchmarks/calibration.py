"""Are the verdicts what they promise? Simulated audits whose truth is known, thousands of each kind.

Tokens are clustered in prompts (lognormal scale, CV 0.6), prompts differ in length by a factor of up to
seven, and differences are heavy-tailed (Student's t with 3 degrees of freedom, cut at 6 nats). Each kind of
audit puts one metric exactly on its margin, or all of them well within. Held to, at most 5% each: FAIL and
PASS where the truth is on a margin, FAIL where it is within; and no PASS at all from fewer than eight
prompts. The truth of a kind is its mean over the 4,000 prompts that its audits draw from.

Usage: calibration.py [traces]
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from shares import interval

from vllm_migrate.audit.decide.judge import ONE_LOOK, Comparison, Gate, Levels, judge
from vllm_migrate.audit.decide.sequential import levels_of
from vllm_migrate.audit.decide.statistics import bootstrap_metrics
from vllm_migrate.audit.decide.thresholds import load_thresholds
from vllm_migrate.audit.figures.metrics import ClipRange, PromptSums, reduce_tokens
from vllm_migrate.audit.result import Estimate, Metrics, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TRACES = 2000
TOKENS = (64, 448)  # of a prompt, all samples together
POPULATION = 4000  # prompts the truth of a kind is taken from, and traces are drawn from
MOST = 0.05
HALF = 0.5
RESULT = Path(__file__).parent / "results" / "calibration.json"


@dataclass(frozen=True)
class Kind:
    """One kind of audit: how its tokens differ, and which metric stands on its margin, if any."""

    name: str
    tokens: Callable[[np.random.Generator, int, float], Floats]
    metric: str = ""
    share: float = 1.0  # of the margin


def noise(generator: np.random.Generator, count: int, scale: float) -> Floats:
    """Heavy-tailed differences without a bias."""
    return np.clip(scale * generator.standard_t(3, count), -6.0, 6.0)


def shifted(generator: np.random.Generator, count: int, scale: float) -> Floats:
    """A semantic shift, of another size in every prompt, with a little noise."""
    return scale + np.clip(0.002 * generator.standard_t(3, count), -6.0, 6.0)


def rare(size: float) -> Callable[[np.random.Generator, int, float], Floats]:
    """A few tokens that are far off, with a little noise on the others."""

    def tokens(generator: np.random.Generator, count: int, scale: float) -> Floats:
        d = 0.002 * np.clip(generator.standard_t(3, count), -50, 50)
        struck = generator.random(count) < min(scale, 1.0)
        return np.where(struck, np.where(generator.random(count) < HALF, size, -size), d)

    return tokens


def outside(generator: np.random.Generator, count: int, scale: float) -> Floats:
    """A few tokens that one side gives no probability at all."""
    d = 0.002 * np.clip(generator.standard_t(3, count), -50, 50)
    return np.where(generator.random(count) < min(scale, 1.0), -np.inf, d)


KINDS = (
    Kind("within every margin", noise, "mean_abs", 0.25),
    Kind("mean |d| on its margin", noise, "mean_abs"),
    Kind("mean ratio on its margin", shifted, "mean_ratio_deviation"),
    Kind("k2 on its margin, by rare tokens", rare(1.6), "k2"),
    Kind("tail F(2) on its margin", rare(0.8), "tail_f2"),
    Kind("clip rate on its margin", rare(0.3), "clip_rate"),
    Kind("support on its margin", outside, "outside_support"),
)
PROMPTS = (8, 12, 16, 20, 64)
_ZERO = Estimate(0.0)
# A gate without noise floors is judged by its resamples alone; the summary is for reports.
UNUSED = Metrics(_ZERO, 0.0, 0.0, *[_ZERO] * 6, 1.0, _ZERO, 0, 0)
LOOKS = (16, 32, 48, 64)


def population(kind: Kind, scale: float, seed: int) -> Floats:
    """Sums of many prompts of one kind, shape (prompts, columns)."""
    generator = np.random.default_rng(seed)
    sizes = generator.integers(*TOKENS, POPULATION)
    spread = np.sqrt(np.log1p(0.6**2))
    factors = np.exp(generator.normal(-(spread**2) / 2, spread, POPULATION))
    d = np.concatenate(
        [kind.tokens(generator, int(n), scale * f) for n, f in zip(sizes, factors, strict=True)]
    )
    sampler = np.zeros(len(d))
    prompts = np.repeat(np.arange(POPULATION), sizes)
    return reduce_tokens(sampler, d, prompts, clip=ClipRange(), policy_is_other=True).sums


def truth(sums: Floats, metric: str) -> float:
    """A metric over a whole population."""
    found = bootstrap_metrics(PromptSums(sums, 0.0, 0.0, 1.0), resamples=2)
    return found.value(metric)


def on_margin(kind: Kind) -> tuple[Floats, float]:
    """The population whose metric stands where the kind says, found by bisection on the scale."""
    margin = load_thresholds().metrics[kind.metric].margin * kind.share
    low, high = 1e-5, 1.0
    for _ in range(22):
        scale = (low * high) ** 0.5
        if abs(truth(population(kind, scale, 1), kind.metric)) < margin:
            low = scale
        else:
            high = scale
    sums = population(kind, high, 1)
    return sums, truth(sums, kind.metric)


def verdict(sums: Floats, seed: int, levels: Levels = ONE_LOOK) -> Verdict:
    """The verdict on some prompts' sums."""
    bootstrap = bootstrap_metrics(PromptSums(sums, 0.0, 0.0, 1.0), seed=seed)
    return judge([Gate("reference", Comparison(UNUSED, bootstrap))], levels=levels)[0]


def run_once(sums: Floats, prompts: int, traces: int, seed: int) -> dict[str, int]:
    """Verdicts of independent audits that look once."""
    generator = np.random.default_rng(seed)
    counts = dict.fromkeys((v.value for v in Verdict), 0)
    for trace in range(traces):
        counts[verdict(sums[generator.choice(len(sums), prompts, replace=False)], trace).value] += 1
    return counts


def run_looks(sums: Floats, traces: int, seed: int) -> dict[str, int]:
    """Verdicts of independent audits that look up to four times."""
    generator = np.random.default_rng(seed)
    fractions = tuple(look / LOOKS[-1] for look in LOOKS)
    counts = dict.fromkeys((v.value for v in Verdict), 0)
    for trace in range(traces):
        drawn = sums[generator.choice(len(sums), LOOKS[-1], replace=False)]
        found = Verdict.INCONCLUSIVE
        for look, prompts in enumerate(LOOKS):
            found = verdict(drawn[:prompts], trace, levels_of(look, fractions))
            if found is not Verdict.INCONCLUSIVE:
                break
        counts[found.value] += 1
    return counts


def run_kind(index: int, traces: int) -> list[dict[str, object]]:
    """All cases of one kind."""
    kind = KINDS[index]
    sums, value = on_margin(kind)
    cases = [(f"{n} prompts", n) for n in PROMPTS] + [("4 looks at 16 to 64", 0)]
    if kind.share < 1:
        cases.insert(0, ("7 prompts", 7))
    rows: list[dict[str, object]] = []
    for label, prompts in cases:
        counts = run_once(sums, prompts, traces, index) if prompts else run_looks(sums, traces, index)
        wrong = {"FAIL": counts["FAIL"]}
        if kind.share >= 1 or label == "7 prompts":
            wrong["PASS"] = counts["PASS"]
        words = ", ".join(
            f"false {name} {count / traces:.1%} ({low:.1%}-{high:.1%})"
            for name, count in wrong.items()
            for low, high in [interval(count, traces)]
        )
        fine = all(count / traces <= MOST for count in wrong.values())
        print(
            f"{kind.name:34} {label:20} PASS {counts['PASS'] / traces:6.1%}"
            f" FAIL {counts['FAIL'] / traces:6.1%}  {words}{'' if fine else '  TOO MANY'}",
            flush=True,
        )
        row = {"kind": kind.name, "metric": kind.metric, "truth": value, "case": label, "counts": counts}
        rows.append({**row, "held": fine})
    return rows


def main() -> int:
    """Run every kind, print the figures, keep the raw counts."""
    traces = int(sys.argv[1]) if len(sys.argv) > 1 else TRACES
    with ProcessPoolExecutor(max_workers=2) as pool:
        of_kinds = list(pool.map(run_kind, range(len(KINDS)), [traces] * len(KINDS)))
    rows = [row for of_kind in of_kinds for row in of_kind]
    held = all(row["held"] for row in rows)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps({"traces": traces, "held": held, "runs": rows}, indent=2) + "\n")
    print(f"{traces} traces each, held to {MOST:.0%}: {'yes' if held else 'NO'}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
