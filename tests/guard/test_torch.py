"""The guard on real tensors, in an interpreter that has torch: `torch_checks.py` holds the checks."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from vllm_migrate.engines import registry

HERE = Path(__file__).resolve().parent
CHECKS = re.findall(r"^def (check_\w+)", (HERE / "torch_checks.py").read_text(encoding="utf-8"), re.MULTILINE)

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def found():
    engine = registry.require("v1")  # any environment with torch would do
    done = subprocess.run(
        [engine.python, "-W", "error::UserWarning:vllm_migrate", HERE / "torch_checks.py"],
        env=engine.variables({"PYTHONPATH": str(HERE.parents[1]), "OMP_NUM_THREADS": "1"}),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("check", CHECKS)
def test_torch(found, check):
    assert found[check] == "", found[check]
