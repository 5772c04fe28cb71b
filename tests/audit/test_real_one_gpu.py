"""The order in which engines run where they share a GPU, on real engines of the CPU that are called a GPU's.

What a GPU does with it is not shown here: only that no two engines are ever up at once, and that every arm
comes to its end.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from plans import a_plan, numbered

from vllm_migrate.audit.emulated import EMULATED, emulated_plan, stand_in
from vllm_migrate.audit.evidence import CANDIDATE, NOISE_FLOOR, REFERENCE, REMEDY
from vllm_migrate.audit.executors.local import LocalExecutor
from vllm_migrate.audit.replay import Replay
from vllm_migrate.engines import registry
from vllm_migrate.engines.client import EngineClient
from vllm_migrate.workers.protocol import SamplingSettings

pytestmark = pytest.mark.engine

MODEL = Path(__file__).resolve().parents[2] / "fixtures" / "model"


class Counting(LocalExecutor):
    """Engines of this machine, counted while they are up."""

    def __init__(self):
        self.up = set()
        self.most = 0
        self.started = []

    def client(self, environment, *, replica, name, report):
        del replica
        counting = self

        class Client(EngineClient):
            def start(self):
                super().start()
                counting.up.add(self)
                counting.most = max(counting.most, len(counting.up))
                counting.started.append(self.name)

            def close(self):
                super().close()
                counting.up.discard(self)

        return Client(environment, name=name, progress=report, variables={"OMP_NUM_THREADS": "1"})


def test_engines_that_share_a_gpu_run_one_after_another():
    if registry.find("v1") is None:
        pytest.skip("engine v1 is not installed: vllm-migrate engines install v1")
    engine = replace(registry.require("v1"), device="cuda")
    plan = emulated_plan(
        a_plan(
            model=MODEL,
            prompts=numbered(3),
            sampling=SamplingSettings(temperature=0.7, max_tokens=4),
            samples=1,
            v0=EMULATED,
        )
    )
    plan = replace(plan, ladder="none", sync_probe="none")
    executor = Counting()
    replay = Replay(
        plan,
        model_hash="",
        v0=stand_in(engine),
        v1=engine,
        trace=None,
        progress=lambda *_: None,
        executor=executor,
    )
    evidence = replay.run()
    assert executor.most == 1
    assert executor.up == set()
    assert dict.fromkeys(executor.started) == dict.fromkeys(
        [REFERENCE, CANDIDATE, REMEDY, NOISE_FLOOR, "trainer"]
    )
    for name in (CANDIDATE, REMEDY):
        assert len(evidence.arms[name].replay) == len(evidence.arms[name].trainer) == 3
    assert len(evidence.trace.noise_floor) == 3
