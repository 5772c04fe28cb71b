from __future__ import annotations

import subprocess
import sys

import pytest

from vllm_migrate.config import load_config
from vllm_migrate.errors import ConfigError
from vllm_migrate.guard.boundaries import Boundaries
from vllm_migrate.guard.policy_guard import PolicyGuard
from vllm_migrate.guard.project import project_boundaries
from vllm_migrate.guard.stages import Action


@pytest.fixture
def project(tmp_path):
    def write(table: str):
        (tmp_path / "pyproject.toml").write_text(f"[tool.vllm-migrate.guard]\n{table}\n", encoding="utf-8")
        return tmp_path

    return write


def test_a_project_sets_its_boundaries(project, monkeypatch):
    folder = project(
        "warm-up = 20\nsave_first = false\nzero_variance_groups = false\n"
        'policy-kl = { warn = 0.03, stop = 0.1, patience = 3, action = "skip_batch" }\n'
        "mismatch_k2 = { stop = false }"
    )
    found = project_boundaries(folder)
    assert (found.warm_up, found.save_first) == (20, False)
    kl = found["policy_kl"]
    assert (kl.warn, kl.stop, kl.patience, kl.action) == (0.03, 0.1, 3, Action.SKIP_BATCH)
    assert found["zero_variance_groups"].warn is None
    assert (found["mismatch_k2"].warn, found["mismatch_k2"].stop) == (0.01, None)
    assert found["ess"] == Boundaries.default()["ess"]
    monkeypatch.chdir(folder)
    assert PolicyGuard().boundaries == found
    assert PolicyGuard(Boundaries.default()).boundaries == Boundaries.default()
    assert PolicyGuard(warm_up=3).boundaries.warm_up == 3


def test_a_project_without_the_table_has_the_shipped_boundaries(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.vllm-migrate]\ntarget = '0.32.0'\n", encoding="utf-8")
    assert project_boundaries(tmp_path) is Boundaries.default()
    assert load_config(tmp_path).guard is None


@pytest.mark.parametrize(
    ("table", "said", "hint"),
    [
        ("polcy_kl = { stop = 1 }", "unknown key 'guard.polcy_kl'", "did you mean 'guard.policy_kl'?"),
        ("warmup = 3", "unknown key 'guard.warmup'", "did you mean 'guard.warm-up'?"),
        ("policy_kl = 3", "guard.policy_kl must be a table", "such as policy_kl"),
        ("policy_kl = true", "guard.policy_kl must be a table", ""),
        ("policy_kl = { stpo = 3 }", "no setting 'stpo'", "did you mean 'stop'?"),
        ("policy_kl = { stop = 'high' }", "policy_kl.stop must be a number", ""),
        ("warm-up = -1", "guard.warm-up must be a number of steps", ""),
        ("warm-up = true", "guard.warm-up must be a number of steps", ""),
        ("save-first = 1", "guard.save-first must be true or false", ""),
    ],
)
def test_a_wrong_table_is_one_line_that_names_the_file(project, table, said, hint):
    folder = project(table)
    with pytest.raises(ConfigError) as refused:
        load_config(folder)
    assert said in refused.value.message
    assert str(folder / "pyproject.toml") in refused.value.message
    assert hint in refused.value.hint


def test_reading_the_table_loads_neither_numpy_nor_torch(project):
    code = (
        "import sys; from pathlib import Path; from vllm_migrate.config import load_config;"
        "assert load_config(Path(sys.argv[1])).guard.warm_up == 7;"
        "assert not {'numpy', 'torch', 'libcst', 'typer', 'rich'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(project("warm-up = 7"))], check=True)
