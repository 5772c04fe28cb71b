"""Where an audit runs, as its options say; a cluster's part that needs no engine, on a real Ray."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from plans import a_plan

from vllm_migrate.audit.executors.executor import Scale
from vllm_migrate.audit.executors.local import LocalExecutor
from vllm_migrate.audit.executors.opening import opened, scale_of
from vllm_migrate.audit.executors.ray_node import Replica, checkpoint_stamp, code_digest
from vllm_migrate.audit.journal import audit_key
from vllm_migrate.engines.environment import EngineEnvironment, write_manifest
from vllm_migrate.engines.paths import VARIABLE, engines_root
from vllm_migrate.errors import EngineDiedError, EngineError, ProvisionError, UsageError

MODEL = Path(__file__).resolve().parents[2] / "fixtures" / "model"


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """An engine of the cache that is no vLLM: its worker says hello and loads nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(tmp_path_factory.mktemp("cache")))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        root = engines_root() / "plain"
        root.mkdir(parents=True)
        made = EngineEnvironment(
            "plain", "v1", "0.32.0", "vllm==0.32.0", "cpu", Path(sys.executable), root, external=True
        )
        write_manifest(root, made)
        yield made


def replica(engine, **differing):
    usual = {"model": str(MODEL), "stamp": checkpoint_stamp(MODEL), "code": code_digest()}
    return Replica("plain", engine, "candidate", **{**usual, **differing})


def test_options_of_a_cluster_need_one():
    assert scale_of("local", None) == Scale()
    for more in ({"replicas": 2}, {"replicas": None, "address": "auto"}, {"replicas": None, "cpus": 2}):
        with pytest.raises(UsageError, match="goes with --executor ray"):
            scale_of("local", more.pop("replicas"), **more)


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UsageError, match="Ray is not installed") as raised:
        scale_of("ray", 2)
    assert "vllm-migrate[ray]" in raised.value.hint


def test_one_machine_is_the_default():
    with opened(a_plan()) as (executor, plan):
        assert isinstance(executor, LocalExecutor)
        assert (executor.replicas, executor.notes, plan) == (1, (), a_plan())


def test_a_rerun_with_fewer_replicas_continues():
    wide = replace(a_plan(), scale=Scale("ray", 4))
    assert audit_key(wide, ()) == audit_key(a_plan(), ())


def test_a_replica_answers_as_its_engine_does(engine):
    with_engine = replica(engine)
    try:
        assert with_engine.call("hello", {}, "main", 60)["ok"]["protocol"] == 1
        failed = with_engine.call("tokenize", {"texts": []}, "main", 60)["error"]
        assert failed["class"] == "UsageError"
        assert "no engine is loaded" in failed["message"]
    finally:
        with_engine.end()
    assert with_engine.call("hello", {}, "main", 60)["error"]["message"] == "candidate was ended"


@pytest.mark.parametrize(
    ("differing", "message"),
    [
        ({"code": "another"}, "another version of vllm-migrate is installed there"),
        ({"stamp": "another"}, "is not there, or is another one"),
        ({"model": "/absent"}, "is not there, or is another one"),
    ],
)
def test_a_node_that_is_not_like_the_first_is_refused(engine, differing, message):
    answer = replica(engine, **differing).call("hello", {}, "main", 60)
    assert message in answer["error"]["message"]


def test_a_node_with_another_engine_or_none_is_refused(engine):
    other = Replica(
        "plain",
        replace(engine, version="0.31.0"),
        "candidate",
        model=str(MODEL),
        stamp=checkpoint_stamp(MODEL),
        code=code_digest(),
    )
    answer = other.call("hello", {}, "main", 60)
    assert "plain has version 0.32.0 there, and 0.31.0 on the first node" in answer["error"]["message"]
    absent = Replica("v1@0.99.0", engine, "candidate", model=str(MODEL), stamp="", code=code_digest())
    answer = absent.call("hello", {}, "main", 60)
    assert answer["error"]["class"] == "ProvisionError"
    assert "is not installed" in answer["error"]["message"]


def test_a_checkpoint_is_known_by_names_sizes_and_small_files(tmp_path):
    assert not checkpoint_stamp(tmp_path)
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    before = checkpoint_stamp(tmp_path)
    (tmp_path / "config.json").write_text("[]", encoding="utf-8")
    assert before != checkpoint_stamp(tmp_path) != ""


@pytest.fixture(scope="module")
def two_replicas(engine):
    """Two replicas on a real Ray of two processors, started for this."""
    ray = pytest.importorskip("ray")
    from vllm_migrate.audit.executors.ray import RayExecutor  # noqa: PLC0415 - needs the extra

    assert engine.root.is_dir()
    handler = signal.getsignal(signal.SIGTERM)
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=100 << 20,
    )
    executor = RayExecutor(Scale("ray", 2), MODEL, gpus=1)
    try:
        yield executor
    finally:
        executor.close()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # Ray does not wait for the processes it ends
            ray.shutdown()
            gc.collect()
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
        type(two_replicas)(Scale("ray", 3), MODEL, gpus=1)
    with pytest.raises(UsageError, match="room for 0 replicas of 4 CPU"):
        type(two_replicas)(Scale("ray", 1, cpus=4), MODEL, gpus=1)


def test_a_cluster_that_is_not_there_is_one_line(monkeypatch):
    pytest.importorskip("ray")
    from vllm_migrate.audit.executors import ray  # noqa: PLC0415 - needs the extra

    monkeypatch.setattr(ray.ray, "init", fails_with(ConnectionError("first\nno answer")))
    with pytest.raises(EngineError, match=r"no Ray cluster at 10\.0\.0\.9:6379: no answer"):
        ray.join("10.0.0.9:6379")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray.ray, "init", fails_with(Exception("the node timed out")))
    with pytest.raises(EngineError, match="Ray did not come up on this machine: the node timed out"):
        ray.join("")


def fails_with(error):
    def init(**_):
        raise error

    return init
