"""The recipes of docs/guard.md that need torch alone, on real tensors: see `recipe_checks.py`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from vllm_migrate.engines import registry

HERE = Path(__file__).resolve().parent

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("check", ["check_loop", "check_openrlhf"])
def test_recipe(check):
    engine = registry.require("v1")  # any environment with torch would do
    done = subprocess.run(
        [engine.python, HERE / "recipe_checks.py", check],
        env=engine.variables({"PYTHONPATH": str(HERE.parents[1]), "OMP_NUM_THREADS": "1"}),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
