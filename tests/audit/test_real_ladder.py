"""The ladder in a real V1 engine: flips act and go back, a broken engine is started again."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from vllm_migrate.audit.cause.evidence import Step
from vllm_migrate.audit.cause.ladder import Climb
from vllm_migrate.audit.cause.live_engine import LiveEngine
from vllm_migrate.audit.cause.waterfall import NONE
from vllm_migrate.audit.process import EngineProcess
from vllm_migrate.audit.result import Cause
from vllm_migrate.engines import registry
from vllm_migrate.trace.model import Prompt
from vllm_migrate.workers.protocol import SamplingSettings

pytestmark = pytest.mark.engine

MODEL = Path(__file__).resolve().parents[2] / "fixtures" / "model"
SAMPLING = SamplingSettings(temperature=0.7, top_p=0.9, top_k=50, max_tokens=12)
PROCESSED = {"logprobs_mode": "processed_logprobs"}
RAW = Step(Cause.RAW_LOGPROBS, PROCESSED, flips=PROCESSED, arguments=PROCESSED)
HEAD = Step(Cause.HEAD_PRECISION, {"head_dtype": "float32"}, flips={"head_dtype": "float32"})
FEWER = {"max_num_batched_tokens": 40}
CHUNKS = Step(Cause.SCHEDULING, FEWER, flips=FEWER, control="max_tokens")
HALF = Step(Cause.BATCHING, {"max_num_seqs": 8}, max_num_seqs=8, shuffled=True, control="max_rows")
PREFILL = Step(Cause.DECODE_PREFILL, {"scores": "prefill"}, path="prefill", composes=False)


class Bench:
    """A V1 engine as it comes, and what it samples itself with processed logprobs as the reference."""

    def __init__(self):
        self.environment = registry.require("v1")
        self.started = []

    @contextmanager
    def process(self):
        process = EngineProcess(self.environment, "ladder", MODEL, lambda *_: None, {})
        process.client.start()
        self.started.append(process)
        try:
            yield process
        finally:
            process.client.close()

    def reference(self, process):
        texts = [f"What is {i} plus {i + 3}? Think step by step, then answer." for i in range(16)]
        prompts = tuple(
            Prompt(i, text, tuple(ids))
            for i, (text, ids) in enumerate(zip(texts, process.tokenize(texts), strict=True))
        )
        process.client.flip("logprobs_mode", "processed_logprobs")
        rollouts = process.sample("reference", prompts, SAMPLING, samples=1, seed=0)
        process.client.flip("logprobs_mode", "raw_logprobs")
        return prompts, rollouts

    def climb(self, steps, engine, prompts, rollouts):
        return Climb(engine, prompts, rollouts, SAMPLING).run(lambda _: steps)


@pytest.fixture(scope="module")
def bench():
    return Bench()


@pytest.fixture(scope="module")
def live(bench):
    """One engine for the tests that take V1 as it comes; the last of them ends it."""
    with bench.process() as process:
        settings = process.load("candidate", {}).loaded.settings
        yield process, settings, *bench.reference(process)


def settled(run, step):
    return run.runs[frozenset({step.name})]


def test_a_climb_keeps_the_cause_and_every_change_acts_and_goes_back(bench, live):
    process, settings, prompts, rollouts = live
    with LiveEngine(process, bench.process, {}, arm="ladder", together=True) as engine:
        run = bench.climb([RAW, HEAD, CHUNKS, HALF, PREFILL], engine, prompts, rollouts)
        again = bench.climb([RAW], engine, prompts, rollouts)
        assert engine.intact
    assert settings["logprobs_mode"] == "raw_logprobs"
    assert run.kept == [RAW.name]
    same = [list(rollout.logprobs) for rollout in rollouts]
    assert [record.logprobs for record in settled(run, RAW).records] == same
    assert settled(run, HEAD).acted.startswith(str(sum(map(len, same))))
    assert settled(run, CHUNKS).acted.endswith("-> 40")
    assert settled(run, HALF).acted == "sequences per step 16 -> 8"
    scored = run.alone[PREFILL.name].records
    raw = np.concatenate([record.raw for record in run.runs[NONE].records])
    assert np.abs(np.concatenate([record.logprobs for record in scored]) - raw).max() < 0.2
    assert [r.logprobs for r in again.runs[NONE].records] == [r.logprobs for r in run.runs[NONE].records]
    assert process.client.flip("head_dtype", "bfloat16")["was"] == "bfloat16"


def test_an_engine_that_died_is_started_again_and_the_climb_goes_on(bench, live):
    process, _, prompts, rollouts = live

    def steps():
        yield HALF
        process.client.kill()
        yield RAW

    with LiveEngine(process, bench.process, {}, arm="ladder", together=True) as engine:
        run = bench.climb(steps(), engine, prompts, rollouts)
        assert not engine.intact
    assert "started again" in settled(run, HALF).note
    assert settled(run, HALF).records == []
    assert run.kept == [RAW.name]


def test_a_change_the_engine_refuses_is_said_and_harms_nothing(bench):
    with bench.process() as process:
        process.load("candidate", {"enable_prefix_caching": False})
        prompts, rollouts = bench.reference(process)
        on = {"enable_prefix_caching": True}
        caching = Step(Cause.PREFIX_CACHE, on, flips=on, control="cached_tokens")
        elsewhere = dataclasses.replace(caching, cause=Cause.SCHEDULING, arguments=on)
        with LiveEngine(process, bench.process, {}, arm="ladder", together=True) as engine:
            run = bench.climb([caching, elsewhere, RAW], engine, prompts, rollouts)
            assert engine.intact
        assert "not tried" in settled(run, caching).note
        assert settled(run, elsewhere).how == "second-engine"
        assert "without prefix caching" in settled(run, elsewhere).note
        assert run.kept == [RAW.name]
