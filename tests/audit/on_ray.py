"""Replicas on a real Ray of this machine, without vLLM; `test_executor.py` runs this in another process."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import ray

from vllm_migrate.audit.executors.executor import Scale
from vllm_migrate.audit.executors.ray import RayExecutor
from vllm_migrate.errors import EngineDiedError, EngineError, ProvisionError, UsageError

MODEL = Path(__file__).resolve().parents[2] / "fixtures" / "model"


@pytest.fixture(scope="module")
def two_replicas(plain_engine):
    """Two replicas on a real Ray of two processors, started for this."""
    assert plain_engine.root.is_dir()
    handler = signal.getsignal(signal.SIGTERM)
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=100 << 20,
    )
    executor = RayExecutor(Scale("ray", 2), MODEL)
    try:
        yield executor
    finally:
        executor.close()
        ray.shutdown()
        signal.signal(signal.SIGTERM, handler)


def clients(executor):
    environment = executor.require("plain")
    return [
        executor.client(environment, replica=number, name="candidate", report=lambda *_: None)
        for number in (0, 1)
    ]


def ended(pid, seconds=30):
    """Whether a process ends, at most waiting for whoever started it to ask how."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state in "ZX":
            return True
        time.sleep(0.1)
    return False


def test_replicas_of_a_cluster_answer_each_in_a_process_of_its_own(two_replicas):
    assert (two_replicas.replicas, two_replicas.arms_at_once) == (2, 1)
    assert two_replicas.notes[0].startswith("2 replicas of each engine shared the prompts, on Ray (")
    one, two = clients(two_replicas)
    try:
        first, second = one.hello(), two.hello()
        assert first["pid"] != second["pid"]
        with pytest.raises(UsageError, match=r"on .*: candidate: no engine is loaded in slot 'main'"):
            one.tokenize(["text"])
    finally:
        one.close()
        two.close()
    assert ended(first["pid"])
    assert ended(second["pid"])
    with pytest.raises(EngineDiedError, match="is not running any more"):
        one.hello()


def test_a_replica_whose_actor_dies_is_an_engine_that_died(two_replicas):
    one, two = clients(two_replicas)
    try:
        engine = one.hello()["pid"]
        stat = Path(f"/proc/{engine}/stat").read_text(encoding="ascii")
        os.kill(int(stat.rpartition(")")[2].split()[1]), signal.SIGKILL)
        with pytest.raises(EngineDiedError, match=r"candidate on .* is gone, during hello"):
            one.hello()
        assert two.hello()["protocol"] == 1
        assert ended(engine)
    finally:
        one.close()
        two.close()


def test_a_replica_can_be_ended_while_it_works(two_replicas):
    one, _ = clients(two_replicas)
    one.hello()
    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting = pool.submit(one.load, MODEL, {}, kind="trainer")
        time.sleep(1.0)
        one.kill()
        with pytest.raises(EngineError):
            waiting.result(timeout=30)


def test_an_engine_that_no_node_has_is_refused(two_replicas):
    with pytest.raises(ProvisionError, match=r"on .*: v1@0.99.0 is not installed") as raised:
        two_replicas.require("v1@0.99.0")
    assert raised.value.hint == "there: vllm-migrate engines install v1@0.99.0"


def test_more_replicas_than_there_is_room_for_are_refused(two_replicas):
    assert two_replicas.shares_temporary_files()
    with pytest.raises(UsageError, match="room for 2 replicas of 1 CPU, not for 3"):
        type(two_replicas)(Scale("ray", 3), MODEL)
    with pytest.raises(UsageError, match="room for 0 replicas of 4 CPU"):
        type(two_replicas)(Scale("ray", 1, cpus=4), MODEL)
