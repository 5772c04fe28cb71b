"""Looking until decided, over evidence made here: what stops it, what is merged, what is spent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from plans import a_plan, numbered

from vllm_migrate.audit.conclude import conclude
from vllm_migrate.audit.decide.comparisons import Comparisons
from vllm_migrate.audit.decide.extend import looks_of, merged, part_of, run_looks
from vllm_migrate.audit.decide.more_samples import with_samples
from vllm_migrate.audit.evidence import EngineRun, Evidence
from vllm_migrate.audit.result import Verdict
from vllm_migrate.trace.checkpoint import CheckpointHashes
from vllm_migrate.trace.digest import tokens_digest
from vllm_migrate.trace.model import Prompt, Provenance, Rollout, Trace
from vllm_migrate.trace.seal import sealed
from vllm_migrate.workers.protocol import Loaded, ReplayRecord

SAMPLES, TOKENS = 4, 60
MADE = Provenance("v0", "0.8.5", "vllm.engine.llm_engine.LLMEngine", "v0", {}, {}, {}, "h", "t", "c")
V1 = Loaded("vllm.v1.engine.llm_engine.LLMEngine", "v1-model-runner", "0.32.0", {}, 1.0)
RECIPE = {"logprobs_mode": "processed_logprobs", "enable_prefix_caching": False, "async_scheduling": False}


class Engines:
    """Stands for the arms: as many records as the plan's prompts ask for, with a given noise."""

    def __init__(self, noise):
        self.noise = noise
        self.plans = []

    def __call__(self, plan, trace):
        self.plans.append(plan)
        generator = np.random.default_rng(plan.seed)
        if trace is None:
            prompts = tuple(Prompt(i, line.text, (1,)) for i, line in enumerate(plan.prompts))
            rollouts = tuple(
                Rollout(i, k, tuple(range(TOKENS)), tuple(-generator.exponential(size=TOKENS)), "t", "stop")
                for i in range(len(prompts))
                for k in range(plan.samples)
            )
            trace = Trace(MADE, prompts, rollouts, tuple(r.logprobs for r in rollouts))

        def forced(noise):
            return [
                ReplayRecord(list(r.logprobs + generator.normal(0, noise, TOKENS)), [], list(r.token_ids))
                for r in trace.rollouts
            ]

        candidate = EngineRun("candidate", "v1", {}, V1, replay=forced(self.noise), rollouts=trace.rollouts)
        candidate.trainer = forced(self.noise)
        reference = EngineRun("reference", "v0", {}, V1, rollouts=trace.rollouts, trainer=forced(0.001))
        return Evidence(trace, {"reference": reference, "candidate": candidate}, {"candidate.load": 1.0})


def plan_of(count, **more):
    return replace(a_plan(prompts=numbered(count), samples=SAMPLES, candidate_args=RECIPE), **more)


def judged(plan, evidence):
    return conclude(plan, evidence, {})


@pytest.mark.parametrize(("noise", "verdict"), [(0.5, Verdict.FAIL), (0.001, Verdict.PASS)])
def test_what_is_plain_is_decided_early(noise, verdict):
    engines = Engines(noise)
    evidence, result = run_looks(plan_of(64), None, engines, judged)
    assert result.verdict is verdict
    assert len(engines.plans) <= 3
    assert len(evidence.trace.prompts) == 16 * len(engines.plans)
    assert any(f"looked {len(engines.plans)} of at most 4 times" in line for line in result.warnings)


def test_what_is_on_the_margin_is_looked_at_to_the_end_over_everything():
    engines = Engines(0.02 / np.sqrt(2 / np.pi))
    evidence, result = run_looks(plan_of(64), None, engines, judged)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert len(engines.plans) == 4
    assert result.prompts == 64
    assert len({plan.seed for plan in engines.plans}) == 4
    assert [len(plan.prompts) for plan in engines.plans] == [16] * 4
    assert [prompt.id for prompt in evidence.trace.prompts] == list(range(64))
    assert evidence.timing["candidate.load"] == 4.0
    assert {plan.ladder for plan in engines.plans[1:]} == {"none"}


def test_the_time_budget_starts_no_look_it_can_not_pay():
    engines = Engines(0.02 / np.sqrt(2 / np.pi))
    _, result = run_looks(plan_of(64, time_budget=0.0), None, engines, judged)
    assert len(engines.plans) == 1
    assert any("the time budget ended it" in line for line in result.warnings)


def test_too_few_prompts_are_looked_at_once_and_stay_inconclusive():
    engines = Engines(0.5)
    _, result = run_looks(plan_of(6), None, engines, judged)
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "too-few-prompts")
    assert len(engines.plans) == 1


def test_a_recorded_reference_is_the_limit():
    trace = Engines(0.01)(plan_of(32), None).trace
    engines = Engines(0.02 / np.sqrt(2 / np.pi))
    plan = plan_of(32, reference=Path("trace.parquet"), prompts=())
    evidence, result = run_looks(plan, trace, engines, judged)
    assert evidence.trace.rollouts == trace.rollouts
    assert evidence.trace.noise_floor == trace.noise_floor
    assert any("only what is recorded" in line for line in result.warnings)


def test_parts_of_a_trace_make_the_whole_again():
    whole = Engines(0.01)(plan_of(20), None)
    one, two = (Evidence(part_of(whole.trace, *edges), {}, {}) for edges in ((0, 8), (8, 20)))
    assert {rollout.prompt for rollout in two.trace.rollouts} == set(range(12))
    again = merged(one, two)
    assert again.trace == whole.trace


def test_where_prompts_run_out_their_samples_are_doubled():
    engines = Engines(0.02 / np.sqrt(2 / np.pi))
    evidence, result = run_looks(plan_of(20, most_samples=14), None, engines, judged)
    assert [(len(plan.prompts), plan.samples) for plan in engines.plans] == [
        (10, 4),
        (10, 4),
        (20, 4),
        (20, 6),
    ]
    assert len({plan.seed for plan in engines.plans}) == 4
    assert {plan.ladder for plan in engines.plans[1:]} == {"none"}
    assert result.prompts == 20
    assert evidence.trace.provenance.samples == MADE.samples * 3
    said = [(rollout.prompt, rollout.sample) for rollout in evidence.trace.rollouts]
    assert said == [(prompt, sample) for prompt in range(20) for sample in range(14)]
    line = "looked 4 of at most 4 times, at 20 of 20 prompts with 14 samples of each"
    assert any(line in warning for warning in result.warnings)


def test_what_samples_decide_is_decided_before_the_last_of_them():
    engines = Engines(0.5)
    _, result = run_looks(plan_of(8, most_samples=256), None, engines, judged)
    assert result.verdict is Verdict.FAIL
    assert 1 < len(engines.plans) < 7


def test_more_samples_stay_with_what_was_measured_of_them():
    one, two = (Engines(0.0)(plan_of(5, seed=seed, samples=2), None) for seed in (1, 2))
    both = with_samples(one, two)
    logprobs = [rollout.logprobs for rollout in both.trace.rollouts]
    assert [tuple(record.logprobs) for record in both.arms["candidate"].replay] == logprobs
    assert list(both.trace.noise_floor) == logprobs
    assert sorted(logprobs) == sorted(r.logprobs for e in (one, two) for r in e.trace.rollouts)
    assert len(both.trace.prompts) == 5
    assert both.timing["candidate.load"] == 2.0


@pytest.mark.parametrize("merge", [merged, with_samples])
def test_what_a_server_sampled_itself_stays_with_its_scores(merge):
    parts = [Engines(0.0)(plan_of(5, seed=seed, samples=2), None) for seed in (1, 2)]
    for part in parts:  # nothing is forced through a server, so the probe's tokens are its own
        run = part.arms["candidate"]
        run.probe_rollouts, run.trainer_probe = run.rollouts[:6], run.replay[:6]
        run.prompt_scores, run.replay = run.replay, []
    both = merge(*parts)
    run = both.arms["candidate"]
    assert len(run.probe_rollouts) == 12
    assert [rollout.prompt for rollout in run.probe_rollouts] == sorted(
        rollout.prompt for rollout in run.probe_rollouts
    )
    assert [tuple(record.logprobs) for record in run.trainer_probe] == [
        rollout.logprobs for rollout in run.probe_rollouts
    ]
    assert [tuple(record.logprobs) for record in run.prompt_scores] == [
        rollout.logprobs for rollout in both.trace.rollouts
    ]
    assert Comparisons(plan_of(5), both).against_probe["candidate"] is not None


def test_too_few_prompts_and_recorded_ones_get_no_more_samples():
    assert len(looks_of(plan_of(6, most_samples=64), None)) == 1
    trace = Engines(0.01)(plan_of(32), None).trace
    assert not any(look.again for look in looks_of(plan_of(32, most_samples=64), trace))


@pytest.mark.parametrize("merge", [merged, with_samples])
def test_a_sealed_trace_is_sealed_over_all_of_its_tokens(merge):
    parts = [Engines(0.0)(plan_of(5, seed=seed), None) for seed in (1, 2)]
    for part in parts:
        made = replace(part.trace.provenance, created="2026-01-01T00:00:00+00:00")
        part.trace = sealed(replace(part.trace, provenance=made), CheckpointHashes("m", "w", "t", "c"), 0)
    before = parts[0].trace.provenance.tokens
    trace = merge(*parts).trace
    assert before != trace.provenance.tokens == tokens_digest(trace)
