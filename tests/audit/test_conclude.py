"""From records to the result, on records made here: numbers in, verdicts, causes and settings out."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from plans import a_plan, numbered

from vllm_migrate.audit.cause.evidence import LadderRun, Step, StepRun
from vllm_migrate.audit.conclude import conclude
from vllm_migrate.audit.evidence import EngineRun, Evidence
from vllm_migrate.audit.result import Cause, Verdict
from vllm_migrate.report.audit_json import render_json
from vllm_migrate.report.audit_terminal import render_text
from vllm_migrate.reward.calling.named_reward import RewardFunction
from vllm_migrate.trace.model import Prompt, Provenance, Rollout, Trace
from vllm_migrate.workers.protocol import Loaded, ReplayRecord, SamplingSettings

PROMPTS, SAMPLES, TOKENS = 16, 4, 66


class Bench:
    """Arms as engines would have left them: `raw` is what processing takes away, `noise` bf16's share."""

    def __init__(
        self, *, temperature=0.7, prompts=PROMPTS, candidate_args=None, reward=None, require_reward=False
    ):
        self.generator = np.random.default_rng(0)
        self.prompts = prompts
        self.plan = a_plan(
            prompts=numbered(prompts),
            sampling=SamplingSettings(temperature=temperature),
            samples=SAMPLES,
            candidate_args=candidate_args or {},
            reward=reward,
            require_reward=require_reward,
        )
        self.rollouts = self.sample()
        self.probe = self.sample() if self.plan.probe else ()
        self.arms = {}
        self.ladder = None
        self.reference_rewards = []

    def sample(self):
        return tuple(
            Rollout(
                prompt,
                sample,
                tuple(range(2, TOKENS + 2)),
                tuple(-self.generator.exponential(size=TOKENS)),
                "text",
                "stop",
            )
            for prompt in range(self.prompts)
            for sample in range(SAMPLES)
        )

    def replay(self, rollouts, *, noise=0.003, raw_by=0.0, reports_raw=False):
        records = []
        for rollout in rollouts:
            processed = np.array(rollout.logprobs) + self.generator.normal(0, noise, TOKENS)
            raw = processed - self.generator.exponential(raw_by, TOKENS) if raw_by else processed
            records.append(
                ReplayRecord(list(raw if reports_raw else processed), list(raw), list(rollout.token_ids))
            )
        return records

    def add(self, name, *, own_raw=0.0, version="0.32.0", **how):
        loaded = Loaded("vllm.v1.engine.llm_engine.LLMEngine", "v1-model-runner", version, {}, 1.0)
        run = EngineRun(name, "v1", {}, loaded)
        run.replay = self.replay(self.rollouts, **how)
        run.probe = (
            self.replay(self.probe, **{**how, "raw_by": how.get("raw_by") or own_raw}) if self.probe else []
        )
        run.rollouts = self.sample()
        run.trainer = self.replay(run.rollouts)
        if how.get("reports_raw") and how.get("raw_by"):
            run.rollouts = tuple(
                dataclasses.replace(
                    rollout,
                    logprobs=tuple(np.array(rollout.logprobs) - self.generator.exponential(0.1, TOKENS)),
                )
                for rollout in run.rollouts
            )
        self.arms[name] = run
        return run

    def climb(self, *, raw_by):
        """A ladder whose one step, the logprobs' mode, was kept."""
        candidate, on_probe = self.arms["candidate"], bool(self.probe)
        rollouts = self.probe if on_probe else self.rollouts
        step = Step(Cause.RAW_LOGPROBS, {"logprobs_mode": "processed_logprobs"})
        base = StepRun(candidate.probe if on_probe else candidate.replay)
        flipped = StepRun(self.replay(rollouts, raw_by=raw_by))
        self.ladder = LadderRun(
            on_probe=on_probe,
            chosen=list(range(len(rollouts))),
            steps={step.name: step},
            runs={frozenset(): base, frozenset({step.name}): flipped},
            kept=[step.name],
        )

    def conclude(self):
        made = Provenance("v0", "0.8.5", "vllm.engine.llm_engine.LLMEngine", "v0", {}, {}, {}, "h", "t", "c")
        prompts = tuple(Prompt(i, f"prompt {i}", (1,)) for i in range(self.prompts))
        floor = tuple(rollout.logprobs for rollout in self.rollouts)
        probe_floor = tuple(rollout.logprobs for rollout in self.probe)
        trace = Trace(made, prompts, self.rollouts, floor, self.probe, probe_floor)
        reference = EngineRun("reference", "v0", {}, Loaded(made.engine_class, "v0", "0.8.5.post2", {}, 1.0))
        reference.rollouts, reference.trainer = self.rollouts, self.replay(self.rollouts)
        reference.rewards = self.reference_rewards
        self.arms.setdefault("reference", reference)
        return conclude(self.plan, Evidence(trace, self.arms, ladder=self.ladder), {2: "two", 3: "[bold]"})


def raw_logprobs_on_v1(**options):
    bench = Bench(**options)
    bench.add("candidate", raw_by=0.1, reports_raw=True)
    bench.climb(raw_by=0.1)
    bench.add("remedy", raw_by=0.1)
    return bench


def test_raw_logprobs_fail_with_cause_and_a_remedy_that_passes():
    result = raw_logprobs_on_v1().conclude()
    assert (result.verdict, result.reason) == (Verdict.FAIL, "divergence")
    assert result.cause is Cause.RAW_LOGPROBS
    assert result.remedy.verdict is Verdict.PASS
    assert result.settings == result.remedy.settings
    assert [arm.name for arm in result.arms] == ["reference", "candidate", "remedy"]
    assert [rung.cause for rung in result.ladder.rungs] == [Cause.RAW_LOGPROBS.value]


def test_a_runner_without_a_tap_is_held_against_the_trainers_raw_logprobs():
    bench = Bench()
    candidate = bench.add("candidate", raw_by=0.1, reports_raw=True)
    taps = [record.raw for record in candidate.replay]
    for record in candidate.replay:
        record.raw = []
    bench.climb(raw_by=0.1)
    bench.conclude()
    for record, tap in zip(bench.arms["reference"].trainer, taps, strict=True):
        record.raw = list(np.array(tap) + bench.generator.normal(0, 0.003, TOKENS))
    assert bench.conclude().cause is Cause.RAW_LOGPROBS


def test_parity_passes_without_cause_or_settings():
    bench = Bench(
        candidate_args={
            "logprobs_mode": "processed_logprobs",
            "enable_prefix_caching": False,
            "async_scheduling": False,
        }
    )
    bench.add("candidate", raw_by=0.1)
    result = bench.conclude()
    assert (result.verdict, result.reason, result.cause) == (Verdict.PASS, "pass", Cause.NONE)
    assert result.settings == {}
    assert result.remedy is None
    assert any("already has the parity recipe" in warning for warning in result.warnings)


def test_a_remedy_never_rescues_the_candidate():
    result = raw_logprobs_on_v1().conclude()
    assert result.remedy.verdict is Verdict.PASS
    assert result.verdict is Verdict.FAIL


def test_an_unknown_difference_fails_unexplained_and_proposes_nothing():
    bench = Bench()
    bench.add("candidate", noise=0.3)
    bench.add("remedy", noise=0.3)
    result = bench.conclude()
    assert (result.verdict, result.cause) == (Verdict.FAIL, Cause.UNEXPLAINED)
    assert result.settings == {}


def test_at_temperature_one_the_probe_finds_what_the_profile_hides():
    bench = Bench(temperature=1.0)
    bench.add("candidate", own_raw=0.1, reports_raw=True)
    bench.arms["candidate"].trainer = bench.replay(bench.arms["candidate"].rollouts)
    bench.climb(raw_by=0.1)
    bench.add("remedy", own_raw=0.1)
    result = bench.conclude()
    candidate = next(arm for arm in result.arms if arm.name == "candidate")
    by_comparison = {
        check.comparison: check.verdict for check in candidate.checks if check.metric == "mean_abs"
    }
    assert by_comparison == {"reference": Verdict.PASS, "trainer": Verdict.PASS, "probe": Verdict.FAIL}
    assert (result.verdict, result.cause) == (Verdict.FAIL, Cause.RAW_LOGPROBS)
    assert any("can't tell raw from processed" in warning for warning in result.warnings)


def test_too_few_prompts():
    result = raw_logprobs_on_v1(prompts=5).conclude()
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "too-few-prompts")


def with_reward(before, after, **options):
    bench = Bench(reward=RewardFunction(Path("r.py"), "f"), **options)
    bench.add("candidate").rewards = after
    bench.add("remedy")
    bench.reference_rewards = before
    return bench.conclude()


def test_reward_gates_only_when_asked():
    better, worse = [1.0] * 64, [0.0] * 64
    free = with_reward(better, worse)
    assert (free.verdict, free.reward.verdict) == (Verdict.PASS, Verdict.FAIL)
    gated = with_reward(better, worse, require_reward=True)
    assert (gated.verdict, gated.reason) == (Verdict.FAIL, "reward")
    assert with_reward(better, better, require_reward=True).verdict is Verdict.PASS


def test_tokens_outside_support_come_first_among_the_worst():
    bench = Bench()
    run = bench.add("candidate")
    run.replay[3].logprobs[7] = -np.inf
    result = bench.conclude()
    candidate = next(arm for arm in result.arms if arm.name == "candidate")
    assert (candidate.worst[0].prompt, candidate.worst[0].position) == (0, 7)
    assert candidate.worst[0].token == "#9"  # noqa: S105 - a model's token
    assert len(candidate.deltas) == len(candidate.positions) == len(candidate.reference_logprobs)
    assert len(candidate.deltas) == PROMPTS * SAMPLES * TOKENS - 1
    assert all(np.isfinite(candidate.deltas))
    document = json.loads(render_json(result), parse_constant=pytest.fail)
    assert document["arms"][1]["worst"][0]["candidate"] is None


def test_reports_of_every_result_are_valid_and_narrow():
    for result in (
        raw_logprobs_on_v1().conclude(),
        raw_logprobs_on_v1(temperature=1.0).conclude(),
        raw_logprobs_on_v1(prompts=5).conclude(),
    ):
        document = json.loads(render_json(result), parse_constant=pytest.fail)
        assert document["verdict"] == result.verdict.value
        text = render_text(result)
        assert text.startswith(result.verdict.value)
        assert max(map(len, text.splitlines())) <= 80
        assert "\x1b" not in text
        for arm in result.arms:
            assert any(line.startswith(arm.name) for line in text.splitlines())
