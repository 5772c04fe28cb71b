"""Weight synchronisation spread over a project, through the command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

WORKER = """\
import torch
from vllm.worker.worker import Worker


class WeightSync(Worker):
    def update_weight(self, name, dtype, shape):
        weight = torch.empty(shape, dtype=dtype, device="cuda")
        torch.distributed.broadcast(weight, 0)
        self.model_runner.model.load_weights([(name, weight)])

    def update_weights(self, names):
        self.model_runner.model.load_weights(names)
"""
ENGINE = """\
from vllm import LLM


class Engine:
    def __init__(self):
        self.llm = LLM("m", worker_extension_cls="pkg.worker.WeightSync")

    def update_weight(self, name, dtype, shape):
        return self.llm.collective_rpc("update_weight", args=(name, dtype, shape))
"""
GATED = """\
import vllm
from packaging import version
from vllm import LLM

if version.parse(vllm.__version__) < version.parse("0.11.0"):
    from vllm.worker.worker import Worker

    class WeightSync(Worker):
        def update_weight(self, name):
            pass


def sync(llm: LLM, policy):
    if version.parse(vllm.__version__) < version.parse("0.11.0"):
        llm.sleep(level=2)
        model = llm.llm_engine.model_executor.driver_worker.model_runner.model
        model.load_weights(policy.state_dict().items())
        llm.llm_engine.model_executor._run_workers("update_weight", policy)
        llm.collective_rpc("update_weight", args=(policy.dtype,))
        llm.wake_up()
    else:
        llm.collective_rpc("load_from", args=(policy.path,))


def build():
    if version.parse(vllm.__version__) < version.parse("0.11.0"):
        return LLM("m", worker_cls="train.WeightSync", enable_prefix_caching=True)
    return LLM("m", worker_extension_cls="ext.WeightSync", enable_prefix_caching=False)
"""
EVALUATION = """\
from vllm import LLM, SamplingParams


def evaluate(model, tasks):
    llm = LLM(model, enable_prefix_caching=True, seed=1)
    outputs = llm.generate(tasks, SamplingParams(temperature=0.0, logprobs=1))
    llm.sleep(level=1)
    return [output.outputs[0].logprobs for output in outputs]
"""


def write(project: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def codes(run) -> set[tuple[str, str, str]]:
    out = run("check", "--from", "0.8.5", "--output-format", "json", ".").out
    return {(f["code"], f["path"], f["safety"]) for f in json.loads(out)["findings"]}


@pytest.fixture
def spread(project: Path) -> Path:
    plain = WORKER.replace("from vllm.worker.worker import Worker\n", "").replace("(Worker)", "")
    write(project, {"pkg/__init__.py": "", "pkg/worker.py": plain, "pkg/engine.py": ENGINE})
    return project


def test_both_sides_of_a_dtype_change_together(run, spread: Path) -> None:
    found = codes(run)
    assert ("VM507", "pkg/engine.py", "unsafe") in found
    assert ("VM507", "pkg/worker.py", "unsafe") in found
    run("rewrite", "--unsafe-fixes", "--from", "0.8.5", "--allow-dirty", ".")
    assert 'args=(name, str(dtype).split(".")[-1], shape)' in (spread / "pkg/engine.py").read_text()
    worker = (spread / "pkg/worker.py").read_text()
    assert worker.count("dtype = getattr(torch, dtype) if isinstance(dtype, str) else dtype") == 1
    assert worker.index("getattr(torch") < worker.index("torch.empty")
    assert not {code for code, _, safety in codes(run) if code == "VM507" and safety != "manual"}


def test_a_dtype_sent_to_nobody_in_sight_is_left_to_a_person(run, project: Path) -> None:
    write(project, {"engine.py": ENGINE})
    assert ("VM507", "engine.py", "manual") in codes(run)


CALLER = """

    def sync(self, names):
        self.llm.collective_rpc("update_weights", args=(names,))
"""


@pytest.mark.usefixtures("spread")
def test_a_name_that_nobody_calls_is_left_to_a_person(run) -> None:
    assert ("VM506", "pkg/worker.py", "manual") in codes(run)


def test_a_name_that_is_taken_is_changed_in_all_files(run, spread: Path) -> None:
    write(spread, {"pkg/engine.py": ENGINE + CALLER.removeprefix("\n")})
    found = codes(run)
    assert {("VM506", "pkg/worker.py", "unsafe"), ("VM506", "pkg/engine.py", "unsafe")} <= found
    run("rewrite", "--unsafe-fixes", "--from", "0.8.5", "--allow-dirty", ".")
    assert 'collective_rpc("rl_update_weights", args=(names,))' in (spread / "pkg/engine.py").read_text()
    assert "def rl_update_weights(self, names)" in (spread / "pkg/worker.py").read_text()
    assert not [code for code, _, _ in codes(run) if code == "VM506"]


def test_a_name_that_goes_about_as_a_string_is_left_to_a_person(run, spread: Path) -> None:
    loose = '\n\ndef message():\n    return {"method": "update_weights"}\n'
    write(spread, {"pkg/engine.py": ENGINE + CALLER.removeprefix("\n") + loose})
    assert {safety for code, _, safety in codes(run) if code == "VM506"} == {"manual"}


def test_an_extension_named_nowhere_is_not_judged(run, project: Path) -> None:
    plain = WORKER.replace("from vllm.worker.worker import Worker\n", "").replace("(Worker)", "")
    write(project, {"worker.py": plain, "engine.py": ENGINE.replace("pkg.worker.WeightSync", "a.Other")})
    assert not [code for code, _, _ in codes(run) if code == "VM506"]


def test_the_branch_for_other_versions_is_left_alone(run, project: Path) -> None:
    write(project, {"train.py": GATED})
    found = [code for code, _, _ in codes(run) if code.startswith(("VM50", "VM706"))]
    assert found == []
    run("rewrite", "--unsafe-fixes", "--from", "0.8.5", "--allow-dirty", "--select", "VM5,VM7", ".")
    after = (project / "train.py").read_text()
    dead = GATED[GATED.index("def sync") : GATED.index("    else:")]
    assert dead in after


def test_an_evaluation_is_not_edited(run, project: Path) -> None:
    write(project, {"evaluate.py": EVALUATION})
    for recipe in ("parity", "fast"):
        write(project, {"pyproject.toml": f'[tool.vllm-migrate]\nrecipe = "{recipe}"\n'})
        run("rewrite", "--unsafe-fixes", "--from", "0.8.5", "--allow-dirty", "--select", "VM5,VM7", ".")
        assert (project / "evaluate.py").read_text() == EVALUATION


def test_a_vendored_engine_is_said_and_left_alone(run, project: Path) -> None:
    copy = "third_party/vllm/vllm_v_0_6_3"
    worker = "from vllm.worker.worker import Worker\n\n\nclass Mine(Worker):\n    pass\n"
    files = {f"{copy}/{name}.py": worker for name in ("__init__", "arg_utils", "llm_engine_sp", "worker")}
    write(project, {**files, "train.py": "import vllm\n"})
    done = run("check", "--from", "0.8.5", ".")
    assert "Worker" not in done.out
    assert "a vendored copy of vLLM" in done.err
    run("rewrite", "--unsafe-fixes", "--from", "0.8.5", "--allow-dirty", ".")
    assert (project / copy / "worker.py").read_text() == worker
