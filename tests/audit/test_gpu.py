"""GPU settings: passed to both engines, and refused before any engine starts where they can't be had."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plans import a_plan

from vllm_migrate.audit.gpu import MEMORY, PIPELINE, TENSOR, check_gpu_settings, with_gpu_settings
from vllm_migrate.engines import devices
from vllm_migrate.errors import UsageError


def test_a_setting_goes_to_both_engines_beside_their_own_arguments():
    plan = with_gpu_settings(a_plan(candidate_args={"seed": 1}), {MEMORY: 0.4, TENSOR: None, PIPELINE: None})
    assert plan.v0_args == {MEMORY: 0.4}
    assert plan.candidate_args == {"seed": 1, MEMORY: 0.4}


def test_nothing_given_changes_nothing():
    plan = a_plan()
    assert with_gpu_settings(plan, {MEMORY: None, TENSOR: None}) is plan


def test_contradictions_are_refused():
    plan = a_plan(candidate_args={MEMORY: 0.9})
    with pytest.raises(UsageError, match=r"--gpu-memory-utilization 0\.4 and --v0-args .*=0\.9 differ"):
        with_gpu_settings(plan, {MEMORY: 0.4})
    assert with_gpu_settings(plan, {MEMORY: 0.9}).candidate_args == {MEMORY: 0.9}
    with pytest.raises(UsageError, match="can't reach a server that runs already"):
        with_gpu_settings(a_plan(v1="http://127.0.0.1:1"), {MEMORY: 0.4})


@pytest.mark.parametrize(
    ("arguments", "gpus", "says"),
    [
        ({MEMORY: 1.5}, 1, r"gpu_memory_utilization of the candidate must be above 0 and at most 1"),
        ({MEMORY: "much"}, 1, "must be above 0 and at most 1, not 'much'"),
        ({TENSOR: 0.5}, 1, "tensor_parallel_size of the candidate must be a whole number"),
        ({PIPELINE: -1}, 1, "pipeline_parallel_size of the candidate must be a whole number"),
        ({TENSOR: 2}, 0, "tensor_parallel_size=2 of the candidate needs 2 GPUs, and there are none here"),
        ({TENSOR: 2, PIPELINE: 2}, 3, "needs 4 GPUs, and there are 3 here"),
        ({TENSOR: 2}, 8, "forced replay drives an engine in one process, not in 2"),
    ],
)
def test_what_can_not_be_had_is_refused_in_one_line(arguments, gpus, says):
    with pytest.raises(UsageError, match=says) as caught:
        check_gpu_settings(replace(a_plan(), candidate_args=arguments), lambda: gpus)
    assert "\n" not in caught.value.message


def test_gpus_are_counted_only_where_it_matters():
    check_gpu_settings(a_plan(candidate_args={MEMORY: 0.5, TENSOR: 1}), lambda: 1 // 0)


@pytest.mark.parametrize(
    ("visible", "count"), [(None, 4), ("", 0), ("0,2", 2), ("1", 1), ("0,-1,2", 1), ("0,1,2,3,4,5", 4)]
)
def test_the_gpus_that_an_engine_would_see(monkeypatch, tmp_path, visible, count):
    for number in range(4):
        (tmp_path / f"0000:0{number}").mkdir()
    monkeypatch.setattr(devices, "DRIVER", tmp_path)
    monkeypatch.delenv(devices.VISIBLE, raising=False)
    if visible is not None:
        monkeypatch.setenv(devices.VISIBLE, visible)
    assert devices.gpu_count() == count
    assert devices.has_nvidia_gpu()


def test_nvidia_smi_is_asked_where_the_driver_has_no_directory(monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "DRIVER", tmp_path / "absent")
    monkeypatch.delenv(devices.VISIBLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert devices.gpu_count() == 0
    tool = tmp_path / "nvidia-smi"
    tool.write_text(
        "#!/bin/sh\necho 'GPU 0: NVIDIA H100 (UUID: GPU-a)'\necho 'GPU 1: NVIDIA H100 (UUID: GPU-b)'\n"
    )
    tool.chmod(0o755)
    assert devices.gpu_count() == 2
