"""Which measurements give which verdict."""

from __future__ import annotations

import numpy as np
import pytest

from vllm_migrate.audit.decide.judge import PROBE_FAMILY, Gate, combine, compare, judge
from vllm_migrate.audit.decide.thresholds import GATING, load_thresholds
from vllm_migrate.audit.figures.metrics import ClipRange
from vllm_migrate.audit.result import Verdict

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


def comparison(spread, *, prompts=32, tokens=200, shift=0.0, seed=0, outside=0):
    generator = np.random.default_rng(seed)
    sampler = -generator.exponential(size=prompts * tokens)
    other = sampler + shift + generator.normal(0, spread, prompts * tokens)
    other[:outside] = -np.inf
    return compare(
        sampler, other, np.repeat(np.arange(prompts), tokens), clip=ClipRange(), policy_is_other=True
    )


def verdict_of(measured, floor=None, family=GATING):
    return judge([Gate("reference", measured, () if floor is None else (floor.metrics, None), family)])


def test_equal_within_the_margins_passes():
    verdict, checks = verdict_of(comparison(0.005))
    assert verdict is PASS
    assert {check.metric for check in checks} == set(GATING)
    assert all(check.verdict is PASS and check.source for check in checks)


def test_a_clear_difference_fails_and_says_where():
    verdict, checks = verdict_of(comparison(0.3))
    assert verdict is FAIL
    failed = {check.metric for check in checks if check.verdict is FAIL}
    assert {"mean_abs", "k2", "clip_rate"} <= failed
    assert all(check.low > check.margin for check in checks if check.metric == "mean_abs")


def test_a_biased_ratio_fails_in_both_directions():
    for shift in (-0.015, 0.015):
        verdict, checks = verdict_of(comparison(0.001, shift=shift))
        assert verdict is FAIL
        assert {check.metric for check in checks if check.verdict is FAIL} == {
            "mean_ratio_deviation",
            "k1",
        }


def test_tokens_outside_support_gate():
    verdict, checks = verdict_of(comparison(0.001, outside=1200, tokens=400))
    assert next(check for check in checks if check.metric == "outside_support").verdict is not PASS
    assert verdict is not PASS


def test_on_the_margin_is_inconclusive():
    margin = load_thresholds().metrics["mean_abs"].margin
    spread = margin / np.sqrt(2 / np.pi)  # mean |N(0, s)| = s sqrt(2 / pi)
    verdict, _ = verdict_of(comparison(spread, tokens=40, seed=1), family=("mean_abs",))
    assert verdict is INCONCLUSIVE


@pytest.mark.parametrize("spread", [0.001, 2.0])
def test_fewer_than_eight_prompts_conclude_nothing(spread):
    verdict, _ = verdict_of(comparison(spread, prompts=7))
    assert verdict is INCONCLUSIVE


def test_too_few_tokens_do_not_pass_for_rare_events():
    verdict, checks = verdict_of(comparison(0.001, prompts=8, tokens=10))
    assert verdict is INCONCLUSIVE
    assert {c.metric for c in checks if c.verdict is INCONCLUSIVE} >= {"tail_f2", "clip_rate"}


def test_k2_does_not_pass_before_a_token_of_a_ratio_of_five_would_have_been_seen():
    """3 / n of the tokens may have been missed; at 1.3 nats each they reach the margin up to 3,900 tokens."""
    few, _ = verdict_of(comparison(0.001, prompts=18, tokens=200), family=("k2", "tail_f2"))
    many, checks = verdict_of(comparison(0.001, prompts=21, tokens=200), family=("k2", "tail_f2"))
    assert (few, many) == (INCONCLUSIVE, PASS)
    assert checks[0].high == pytest.approx(1.3 * -np.log(0.025) / 4200, rel=0.01)
    assert verdict_of(comparison(0.001, prompts=18, tokens=200), family=PROBE_FAMILY[:2])[0] is PASS


def test_what_was_not_seen_is_not_asked_for_where_bits_are_promised():
    strict = load_thresholds("strict-bitwise")
    verdict, _ = judge([Gate("reference", comparison(0.0))], thresholds=strict)
    assert verdict is PASS


def test_a_loud_noise_floor_lifts_the_margin_up_to_the_cap():
    loud = comparison(0.028, seed=1)  # mean |d| 0.0223: beyond the margin, within twice itself
    assert verdict_of(loud, family=("mean_abs",))[0] is FAIL
    lifted, checks = verdict_of(loud, floor=comparison(0.02, seed=2), family=("mean_abs",))
    assert lifted is PASS
    assert "noise floor" in checks[0].source
    deaf = comparison(0.2, seed=3)
    verdict, checks = verdict_of(deaf, floor=deaf, family=("mean_abs",))
    assert verdict is FAIL
    assert checks[0].margin == load_thresholds().metrics["mean_abs"].cap


def test_one_failed_comparison_decides_over_the_others():
    good, bad = comparison(0.002), comparison(0.3)
    verdict, checks = judge([Gate("reference", good), Gate("probe", bad, (), PROBE_FAMILY)])
    assert verdict is FAIL
    assert {check.comparison for check in checks if check.verdict is FAIL} == {"probe"}
    assert len(checks) == len(GATING) + len(PROBE_FAMILY)


def test_nothing_to_judge_is_inconclusive():
    assert judge([]) == (INCONCLUSIVE, ())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([PASS, PASS], PASS),
        ([PASS, INCONCLUSIVE], INCONCLUSIVE),
        ([INCONCLUSIVE, FAIL, PASS], FAIL),
        ([], INCONCLUSIVE),
    ],
)
def test_combining(given, expected):
    assert combine(given) is expected


def test_no_false_alarm_where_the_truth_is_well_within():
    """40 runs on independent data with a third of the margin: none may fail, most pass."""
    verdicts = [verdict_of(comparison(0.008, seed=seed, prompts=24))[0] for seed in range(40)]
    assert FAIL not in verdicts
    assert verdicts.count(PASS) >= 36
