"""The pause modes as a server has them, its core in a process of its own, against what the probe reports.

The probe of weight updates works in one process, where decoding can be forced. That the modes do the same
there as behind `AsyncLLM.pause_generation` is shown here.
"""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path

import pytest

from vllm_migrate.audit.sync.changed_weights import write_changed
from vllm_migrate.engines import registry

pytestmark = pytest.mark.engine

MODEL = Path(__file__).resolve().parents[2] / "fixtures" / "model"
SCRIPT = Path(__file__).with_name("async_pauses.py")
WHOLE = 48


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    engine = registry.require("v1")
    folder = tmp_path_factory.mktemp("pauses")
    changed = folder / "changed"
    changed.mkdir()
    write_changed(MODEL, changed, seed=0)
    drawn = random.Random(0)  # noqa: S311 - the same prompts each time, no secret
    stem = [drawn.randrange(1, 766) for _ in range(260)]  # two blocks of the CPU's cache
    prompts = [[*stem, *(drawn.randrange(1, 766) for _ in range(8))] for _ in range(8)]
    (folder / "prompts.json").write_text(json.dumps(prompts))
    result = folder / "result.json"
    done = subprocess.run(
        [engine.python, SCRIPT, MODEL, changed, folder / "prompts.json", result],
        env=engine.variables({"OMP_NUM_THREADS": "1", "VLLM_LOGGING_LEVEL": "ERROR"}),
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(result.read_text())


def test_the_core_is_in_another_process_and_repeats_itself(tried):
    assert tried["client"] == "AsyncMPClient"
    assert tried["repeats"] == 0
    assert [(row["mode"], row["clear"]) for row in tried["rows"]] == [
        (mode, clear) for mode in ("keep", "abort", "wait") for clear in (False, True)
    ]


def test_nothing_runs_while_it_is_paused_and_the_update_is_one_that_shows(tried):
    for row in tried["rows"]:
        assert row["paused"]
        assert row["moved"] == row["tokens"]


def test_without_clearing_every_new_request_is_stale_and_with_it_none(tried):
    for row in tried["rows"]:
        assert row["cached"] > 0  # a row without any could not show it
        assert row["differing"] == (0 if row["clear"] else row["tokens"]), row


def test_running_requests_are_kept_aborted_or_waited_for(tried):
    for row in tried["rows"]:
        if row["mode"] == "abort":
            assert row["reasons"] == ["abort"]
            assert max(row["lengths"]) < WHOLE
        else:
            assert (row["lengths"], row["reasons"]) == ([WHOLE] * 4, ["length"])
            drained = row["at_pause"] == [WHOLE] * 4
            assert drained is (row["mode"] == "wait")
