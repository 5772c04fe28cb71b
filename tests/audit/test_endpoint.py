"""An audit through a URL: what it may be asked, and what is made of what a server says."""

from __future__ import annotations

import html
from dataclasses import replace

import numpy as np
import pytest
from plans import a_plan, numbered

from vllm_migrate.audit.endpoint import PROMPT_SCORES, endpoint_plan
from vllm_migrate.audit.evidence import CANDIDATE, REFERENCE, EngineRun, Evidence, recorded_run
from vllm_migrate.audit.executors.executor import Scale
from vllm_migrate.audit.result import Cause, Verdict
from vllm_migrate.audit.run import concluded
from vllm_migrate.audit.sync.ways import parse_way
from vllm_migrate.cli.report_output import ReportFormat, render
from vllm_migrate.errors import UsageError
from vllm_migrate.trace.model import Prompt, Provenance, Rollout, Trace
from vllm_migrate.workers.protocol import Loaded, ReplayRecord, SamplingSettings

URL = "http://127.0.0.1:8000"
PROMPTS, SAMPLES, TOKENS = 400, 2, 12
RAW_BY = 0.4
"""How far raw logprobs lie below processed ones here, nats, on average."""


def test_a_server_is_not_asked_for_what_needs_forced_replay():
    plan = endpoint_plan(a_plan(v1=URL))
    assert (plan.remedy_additions, plan.ladder, plan.sync_probe) == ({}, "none", "none")
    other = a_plan()
    assert endpoint_plan(other) is other


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"candidate_args": {"dtype": "float32"}}, r"engine arguments \(dtype\) can't reach a server"),
        ({"v0": "emulated"}, "--v0 emulated starts the candidate's engine"),
        ({"scale": Scale(executor="ray")}, "--executor ray starts replicas of an engine"),
        ({"ladder": "all"}, "--ladder all needs forced replay"),
        ({"earn_speed": True}, "--earn-speed needs forced replay"),
        ({"sync_probe": "all"}, "--sync needs forced replay"),
        ({"sync_way": parse_way("reload")}, "--sync needs forced replay"),
        ({"candidate_path": "prefill"}, "--v1-scores prefill needs forced replay"),
    ],
)
def test_a_wish_that_it_can_not_fulfil_is_refused_in_one_line(wish, says):
    with pytest.raises(UsageError, match=says) as caught:
        endpoint_plan(replace(a_plan(v1=URL), **wish))
    assert "\n" not in caught.value.message


class Server:
    """An audit of a server made of numbers: its own tokens and the trainer's forward over them.

    Args:
        raw: whether it reports raw logprobs.
        temperature: at 1 raw and processed are the same under the user's profile; the probe tells.
    """

    def __init__(self, *, raw=False, temperature=0.7):
        self.drawn = np.random.default_rng(0)
        self.raw = raw
        self.plan = endpoint_plan(
            a_plan(
                v1=URL,
                prompts=numbered(PROMPTS),
                samples=SAMPLES,
                sampling=SamplingSettings(temperature=temperature),
            )
        )
        self.separates = self.plan.probe is None

    def sampled(self, prompts=PROMPTS, *, separates=True):
        """Rollouts, and the trainer's records of them."""
        rollouts, records = [], []
        for prompt in range(prompts):
            for sample in range(SAMPLES):
                processed = -self.drawn.exponential(1.0, TOKENS)
                raw = processed - (self.drawn.exponential(RAW_BY, TOKENS) if separates else 0.0)
                said = (raw if self.raw else processed) + self.drawn.normal(0, 1e-4, TOKENS)
                ids = tuple(range(TOKENS))
                rollouts.append(Rollout(prompt, sample, ids, tuple(said.tolist()), "text", "stop"))
                records.append(ReplayRecord(processed.tolist(), raw.tolist(), list(ids)))
        return tuple(rollouts), records

    def result(self):
        server = self.raw
        self.raw = False  # the reference is V0
        rollouts, records = self.sampled(separates=self.separates)
        self.raw = server
        made = Provenance("v0", "0.8.5", "v0.LLMEngine", "v0", {"dtype": "bfloat16"}, {}, {}, "", "0", "")
        asked = tuple(Prompt(n, f"prompt {n}", (1, 2)) for n in range(PROMPTS))
        floor = tuple(rollout.logprobs for rollout in rollouts)
        trace = Trace(made, asked, rollouts, floor)
        reference = recorded_run(trace)
        reference.trainer = records
        settings = {"endpoint": URL, "device": "endpoint"}
        loaded = Loaded("OpenAI-compatible server", "endpoint", "0.32.0", settings, 0.1)
        run = EngineRun(CANDIDATE, "endpoint@0.32.0", {}, loaded)
        run.rollouts, run.trainer = self.sampled(separates=self.separates)
        if self.plan.probe is not None:
            run.probe_rollouts, run.trainer_probe = self.sampled(16)
        run.prompt_scores = [ReplayRecord(list(r.raw), [], list(r.emitted)) for r in records]
        return concluded(self.plan, Evidence(trace, {REFERENCE: reference, CANDIDATE: run}))


def test_its_own_tokens_are_judged_against_the_trainer():
    result = Server().result()
    assert (result.verdict, result.cause) == (Verdict.PASS, Cause.NONE)
    assert {check.comparison for check in result.arms[-1].checks} == {"trainer"}
    assert result.remedy is None
    assert result.ladder is None


def test_raw_logprobs_are_named_by_their_numbers():
    result = Server(raw=True).result()
    assert (result.verdict, result.cause) == (Verdict.FAIL, Cause.RAW_LOGPROBS)
    assert result.settings == {"logprobs_mode": "processed_logprobs"}
    assert "no setting was changed to prove it" in result.cause_evidence


def test_at_temperature_1_its_own_samples_under_the_probe_tell():
    passed, failed = Server(temperature=1.0).result(), Server(temperature=1.0, raw=True).result()
    assert (passed.verdict, failed.verdict) == (Verdict.PASS, Verdict.FAIL)
    assert failed.cause is Cause.RAW_LOGPROBS
    beyond = {check.comparison for check in failed.arms[-1].checks if check.verdict is Verdict.FAIL}
    assert beyond == {"probe"}


def test_every_report_says_what_was_not_tried():
    result = Server().result()
    for kind in ReportFormat:
        said = " ".join(html.unescape(render("audit", result, kind)).split())
        assert "own tokens against the trainer's forward alone" in said, kind
        assert "already has the parity recipe" not in said, kind


def test_prompt_scores_are_shown_and_never_judged():
    result = Server().result()
    (shown,) = [figure for figure in result.diagnostics if figure.metric == PROMPT_SCORES]
    assert shown.estimate.value == 0.0
    assert shown.warn is None
    assert not shown.notable


def test_what_a_server_does_not_tell_is_no_difference_of_settings():
    names = {row.name for row in Server().result().settings_table}
    assert "dtype" not in names
    assert "endpoint" in names
