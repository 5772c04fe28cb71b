"""The guard in two processes that train together, by torchrun on CPU."""

from __future__ import annotations

import json

import pytest
from trl_site import run

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trl-ranks")
    launcher = (
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--master-port",
        "0",
        "--rdzv-backend",
    )
    run("trl_ranks.py", folder, launcher=(*launcher, "c10d", "--rdzv-endpoint", "127.0.0.1:0"))
    found = [json.loads((folder / f"trl_ranks.json.{rank}").read_text()) for rank in (0, 1)]
    for rank in found:
        for name, result in rank.items():
            assert "failed" not in result, f"{name}: {result['failed']}"
    return found


def test_two_processes_train_the_same_as_without_a_guard(ranks):
    for rank in ranks:
        assert rank["unguarded"]["processes"] == 2
        assert rank["calm"]["weights"] == rank["unguarded"]["weights"]


def test_every_process_measures_the_tokens_of_all(ranks):
    first, second = (rank["calm"] for rank in ranks)
    assert first["measured"] == second["measured"], "to the last bit"
    assert first["measured"]["guard/tokens"] == first["own_tokens"] + second["own_tokens"]
    assert first["measured"]["guard/sequences"] == 16, "two processes, two micro batches, four completions"


def test_every_process_stops_at_the_same_step_and_the_first_says_so(ranks):
    first, second = (rank["stopped"] for rank in ranks)
    assert first["stopped"] == second["stopped"]
    assert first["stopped"].startswith("step 2: stop")
    assert (first["steps"], second["steps"]) == (2, 2)
    assert first["weights"] == second["weights"]
    assert any("step 2: stop" in line for line in first["said"])
    assert second["said"] == [], "one process tells it"
