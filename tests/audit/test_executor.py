"""Where an audit runs, as its options say; a cluster's part that needs no engine, on a real Ray."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from plans import a_plan

from vllm_migrate.audit.executors.executor import Scale
from vllm_migrate.audit.executors.local import LocalExecutor
from vllm_migrate.audit.executors.opening import opened, scale_of
from vllm_migrate.audit.executors.ray_node import Replica, checkpoint_stamp, code_digest
from vllm_migrate.audit.journal import audit_key
from vllm_migrate.errors import EngineError, UsageError

MODEL = Path(__file__).resolve().parents[2] / "fixtures" / "model"


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


def test_a_replica_answers_as_its_engine_does(plain_engine):
    with_engine = replica(plain_engine)
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
def test_a_node_that_is_not_like_the_first_is_refused(plain_engine, differing, message):
    answer = replica(plain_engine, **differing).call("hello", {}, "main", 60)
    assert message in answer["error"]["message"]


def test_a_node_with_another_engine_or_none_is_refused(plain_engine):
    other = Replica(
        "plain",
        replace(plain_engine, version="0.31.0"),
        "candidate",
        model=str(MODEL),
        stamp=checkpoint_stamp(MODEL),
        code=code_digest(),
    )
    answer = other.call("hello", {}, "main", 60)
    assert "plain has version 0.32.0 there, and 0.31.0 on the first node" in answer["error"]["message"]
    absent = Replica("v1@0.99.0", plain_engine, "candidate", model=str(MODEL), stamp="", code=code_digest())
    answer = absent.call("hello", {}, "main", 60)
    assert answer["error"]["class"] == "ProvisionError"
    assert "is not installed" in answer["error"]["message"]


def test_a_checkpoint_is_known_by_names_sizes_and_small_files(tmp_path):
    assert not checkpoint_stamp(tmp_path)
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    before = checkpoint_stamp(tmp_path)
    (tmp_path / "config.json").write_text("[]", encoding="utf-8")
    assert before != checkpoint_stamp(tmp_path) != ""


def test_a_real_cluster():
    """In another process: Ray drops the processes that it starts, which Python warns of at any later time."""
    pytest.importorskip("ray")
    words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:unraisableexception", "-W", "ignore"]
    done = subprocess.run(
        [*words, "-p", "no:cacheprovider", Path(__file__).with_name("on_ray.py")],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


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
