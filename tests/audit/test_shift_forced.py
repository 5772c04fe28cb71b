"""The weighted estimate against the truth, and when it is refused."""

from __future__ import annotations

import numpy as np
import pytest

from vllm_migrate.audit.evidence import EngineRun
from vllm_migrate.audit.result import Verdict
from vllm_migrate.audit.shift.forced import FORCED, prefer_forced, sequence_weights
from vllm_migrate.audit.shift.judge import reward_shift
from vllm_migrate.trace.model import Rollout
from vllm_migrate.workers.protocol import Loaded, ReplayRecord, SamplingSettings

PLAIN = SamplingSettings(temperature=1.0)
CUT = SamplingSettings(temperature=1.0, top_k=2)


def audit(share_before, share_after, *, prompts=64, samples=8, mode="processed_logprobs", seed=0):
    """One-token completions over a coin: token 1 is rewarded; the engines give it two probabilities."""
    generator = np.random.default_rng(seed)
    before, after = (np.log([1 - share, share]) for share in (share_before, share_after))
    rollouts, records = [], []
    for prompt in range(prompts):
        for sample in range(samples):
            token = int(generator.random() < share_before)
            rollouts.append(
                Rollout(
                    prompt,
                    sample,
                    (token,),
                    (float(before[token]),),
                    top_ids=((0, 1),),
                    top_logprobs=(tuple(before),),
                )
            )
            records.append(ReplayRecord([float(after[token])], [], [token], [[0, 1]], [list(after)]))
    loaded = Loaded("e", "v1-model-runner", "0.32.0", {"logprobs_mode": mode}, 1.0)
    return rollouts, EngineRun("candidate", "v1", {}, loaded, replay=records)


def shift_of(rollouts, candidate, sampling=PLAIN, free_candidate=None):
    rewards = [float(rollout.token_ids[0]) for rollout in rollouts]
    prompts = [rollout.prompt for rollout in rollouts]
    free = reward_shift(
        rewards, prompts, rewards if free_candidate is None else free_candidate, prompts, function="r.py:f"
    )
    return prefer_forced(free, rewards, rollouts, sequence_weights(rollouts, candidate, sampling))


def test_the_shift_is_estimated_without_sampling_anew():
    found = shift_of(*audit(0.5, 0.53, prompts=400))
    assert found.method == FORCED
    assert found.difference.value == pytest.approx(0.03, abs=0.005)
    assert found.difference.low < 0.03 < found.difference.high


def test_equal_distributions_show_equivalence_where_free_runs_could_not():
    rollouts, candidate = audit(0.5, 0.5, prompts=16)
    generator = np.random.default_rng(1)
    free = (generator.random(len(rollouts)) < 0.5).astype(float).tolist()
    found = shift_of(rollouts, candidate, free_candidate=free)
    assert (found.method, found.verdict) == (FORCED, Verdict.PASS)


def test_what_free_runs_show_stands():
    rollouts, candidate = audit(0.5, 0.5)
    found = shift_of(rollouts, candidate, free_candidate=[0.0] * len(rollouts))
    assert (found.method, found.verdict) == ("free runs", Verdict.FAIL)


@pytest.mark.parametrize(
    ("sampling", "mode", "change", "why"),
    [
        (SamplingSettings(temperature=0.7), "raw_logprobs", None, "samples with"),
        (PLAIN, "processed_logprobs", -np.inf, "support"),
        (PLAIN, "processed_logprobs", 4.0, "effective sample size"),
    ],
)
def test_where_weights_do_not_hold_free_runs_are_used(sampling, mode, change, why):
    rollouts, candidate = audit(0.5, 0.5, mode=mode)
    if change is not None:
        candidate.replay[3].logprobs[0] += change
    weights = sequence_weights(rollouts, candidate, sampling)
    assert why in weights.why
    assert shift_of(rollouts, candidate, sampling).method == "free runs"


def test_a_cut_distribution_needs_equal_supports_in_both_directions():
    rollouts, candidate = audit(0.5, 0.5)
    assert sequence_weights(rollouts, candidate, CUT).values
    candidate.replay[0].top_logprobs[0] = [0.0, -np.inf]
    candidate.replay[0].logprobs[0] = 0.0
    assert "supports differ" in sequence_weights(rollouts, candidate, CUT).why
    for record in candidate.replay:
        record.top_ids, record.top_logprobs = [], []
    assert "could not be compared" in sequence_weights(rollouts, candidate, CUT).why


def test_raw_logprobs_are_the_sampling_ones_where_nothing_is_processed():
    rollouts, candidate = audit(0.5, 0.5, mode="raw_logprobs")
    assert sequence_weights(rollouts, candidate, PLAIN).values
