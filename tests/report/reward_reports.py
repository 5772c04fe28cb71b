"""Reports on rewards to be rendered: one with everything in it, one of a reward that could not be asked."""

from __future__ import annotations

from vllm_migrate.reward.outcome import Check, Example, LengthCurve, Limits, Outcome, RewardReport, ScoredBy
from vllm_migrate.statistics.verdict import Estimate, Verdict

HOSTILE = "</script><script>alert(1)</script>\"'&<b>\u202eevil\u2066\x00\x1b[31m\ud800\u2028]]>end"

FAILED = Check(
    probe="length",
    outcome=Outcome.FAIL,
    message="rho +0.62 with length given correctness",
    figure=Estimate(0.62, 0.51, 0.7),
    unit="Spearman's rho with length",
    count=234,
    counted="texts",
    limits=Limits(0.3, 0.45, above=True, source="ODIN, arXiv 2402.07319; 0.3 is judgement"),
    worst=(
        Example("padded", 0.25, 0.75, "First text.", "What is 1+1?"),
        Example("padded", 0.25, 0.7, "Second text."),
        Example("cut short", 0.75, None, HOSTILE, HOSTILE),
    ),
    parts={"pad": 0.4, "trim": 0.02},
    advice="take the length out of the reward",
    seconds=0.5,
)
WARNED = Check(
    probe="groups",
    outcome=Outcome.WARN,
    message="24 of 40 prompts tie",
    figure=Estimate(0.6, 0.43, 0.75),
    unit="share of prompts that tie",
    count=40,
    counted="prompts",
    limits=Limits(0.5, 0.8, above=True, source="judgement"),
    advice="take harder prompts",
)
PASSED = Check(
    probe="contract",
    outcome=Outcome.PASS,
    message="one finite number a text",
    figure=Estimate(0.0, 0.0, 0.011),
    unit="share of texts without a finite reward",
    count=335,
    limits=Limits(None, 0.0, above=True, source="any fault fails"),
)
NOT_APPLICABLE = Check("swap", Outcome.NOT_APPLICABLE, "the reward does not read the prompt")
NOT_JUDGED = Check("features", Outcome.NOT_JUDGED, "6 prompts are too few; 20 are needed")
OFF = Check("paraphrase", Outcome.OFF, "not asked for")

FULL = RewardReport(
    reward="pays.py:reward",
    kind="function",
    verdict=Verdict.FAIL,
    reason="integrity",
    samples=240,
    prompts=40,
    source="rollouts.jsonl",
    checks=(PASSED, WARNED, FAILED, NOT_APPLICABLE, NOT_JUDGED, OFF),
    rewards=(*tuple(0.1 * (n % 5) for n in range(239)), None),
    curve=LengthCurve(
        lengths=tuple(float(n) for n in range(10, 60)),
        rewards=tuple(n / 60 for n in range(10, 60)),
        fitted_lengths=(10.0, 35.0, 59.0),
        fitted=(0.1, 0.5, 0.9),
    ),
    taken=("pays.py:reward: a TRL reward function",),
    seconds=3.21,
)
TWO_ENGINES = RewardReport(
    reward="model",
    kind="model",
    verdict=Verdict.PASS,
    reason="pass",
    samples=60,
    prompts=10,
    checks=(PASSED,),
    rewards=tuple(n / 60 for n in range(60)),
    engines=(
        ScoredBy("V0 0.8.5", tuple(n / 60 for n in range(60))),
        ScoredBy("V1 0.32.0 <&", tuple(0.5 + n / 120 for n in range(60))),
    ),
)
UNASKED = RewardReport(
    "nowhere.py:reward", "function", None, "usage", message="no reward file at nowhere.py", hint="look again"
)
HOSTILE_REPORT = RewardReport(
    reward=HOSTILE,
    kind="function",
    verdict=Verdict.FAIL,
    reason="integrity",
    samples=1,
    prompts=1,
    source=HOSTILE,
    checks=(
        Check(
            "contract",
            Outcome.FAIL,
            HOSTILE,
            unit=HOSTILE,
            worst=(Example(HOSTILE, None, float("inf"), HOSTILE * 200, HOSTILE),),
            parts={HOSTILE: float("nan")},
            advice=HOSTILE,
        ),
        Check("swap", Outcome.NOT_APPLICABLE, HOSTILE),
    ),
    rewards=(float("nan"), float("inf"), None, 1e308, -1e308),
    taken=(HOSTILE,),
    message=HOSTILE,
)
ALL = (FULL, TWO_ENGINES, UNASKED, HOSTILE_REPORT)
