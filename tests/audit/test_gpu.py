"""GPU settings: passed to both engines, and refused before any engine starts where they can't be had."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from plans import a_plan

from vllm_migrate.audit.executors.executor import RAY, Scale
from vllm_migrate.audit.gpu import (
    MEMORY,
    PIPELINE,
    TENSOR,
    check_gpu_settings,
    check_ranks,
    with_gpu_settings,
)
from vllm_migrate.engines import devices
from vllm_migrate.engines.environment import EngineEnvironment
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
    ("arguments", "says"),
    [
        ({MEMORY: 1.5}, r"gpu_memory_utilization of the candidate must be above 0 and at most 1"),
        ({MEMORY: "much"}, "must be above 0 and at most 1, not 'much'"),
        ({TENSOR: 0.5}, "tensor_parallel_size of the candidate must be a whole number"),
        ({PIPELINE: -1}, "pipeline_parallel_size of the candidate must be a whole number"),
    ],
)
def test_what_no_engine_can_have_is_refused_in_one_line(arguments, says):
    with pytest.raises(UsageError, match=says) as caught:
        check_gpu_settings(replace(a_plan(), candidate_args=arguments))
    assert "\n" not in caught.value.message


def test_replicas_on_ray_are_not_parallel_themselves():
    plan = replace(a_plan(), candidate_args={TENSOR: 2}, scale=Scale(RAY, 2))
    with pytest.raises(UsageError, match="tensor_parallel_size=2 of the candidate: a replica on Ray has one"):
        check_gpu_settings(plan)


def engine(generation, device):
    return EngineEnvironment("e", generation, "0", "vllm", device, Path(sys.executable), Path())


@pytest.mark.parametrize(
    ("arguments", "device", "says"),
    [
        (
            {TENSOR: 2},
            "cuda",
            "tensor_parallel_size=2 of the candidate needs 2 GPUs, and there are none here",
        ),
        (
            {TENSOR: 3},
            "cpu",
            "tensor_parallel_size=3 of the candidate needs 3 processors, and there are 2 here",
        ),
        ({TENSOR: 2, PIPELINE: 2}, "cpu", "tensor_parallel_size=2 and pipeline_parallel_size=2 .* needs 4"),
    ],
)
def test_sizes_beyond_this_machine_are_refused_in_one_line(arguments, device, says):
    plan = replace(a_plan(), candidate_args=arguments)
    with pytest.raises(UsageError, match=says) as caught:
        check_ranks(plan, v0=None, v1=engine("v1", device), gpus=lambda: 0, processors=lambda: 2)
    assert "\n" not in caught.value.message


def test_sizes_that_fit_are_taken():
    plan = replace(a_plan(), v0_args={TENSOR: 2}, candidate_args={TENSOR: 2, PIPELINE: 2})
    check_ranks(plan, v0=engine("v0", "cuda"), v1=engine("v1", "cuda"), gpus=lambda: 4)


def test_v0_has_no_pipeline_that_can_be_forced():
    plan = replace(a_plan(), v0_args={PIPELINE: 2}, candidate_args={PIPELINE: 2})
    with pytest.raises(UsageError, match="pipeline_parallel_size=2 of the reference: V0 has pipelines in"):
        check_ranks(plan, v0=engine("v0", "cuda"), v1=engine("v1", "cuda"), gpus=lambda: 8)
    check_ranks(plan, v0=engine("v1", "cuda"), v1=engine("v1", "cuda"), gpus=lambda: 8)  # a stand-in
    check_ranks(plan, v0=None, v1=engine("v1", "cuda"), gpus=lambda: 8)  # a recorded reference


def test_gpus_are_counted_only_where_it_matters():
    plan = a_plan(candidate_args={MEMORY: 0.5, TENSOR: 1})
    check_ranks(plan, v0=engine("v0", "cuda"), v1=engine("v1", "cuda"), gpus=lambda: 1 // 0)


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
