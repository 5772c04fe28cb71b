"""Looks on real engines: prompts first, then further samples of the same prompts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from vllm_migrate.engines import registry
from vllm_migrate.trace.parquet import read_trace

pytestmark = pytest.mark.engine

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
RECIPE = {"logprobs_mode": "processed_logprobs", "enable_prefix_caching": False, "async_scheduling": False}
SMALL = (
    *("--model", FIXTURES / "model", "--prompts", FIXTURES / "prompts.jsonl", "--limit", 16),
    *("--samples", 1, "--max-tokens", 8, "--sync-probe", "none", "--ladder", "none"),
)
SECONDS = 1500


def audit(*more, expected):
    words = [sys.executable, "-m", "vllm_migrate", "audit", *map(str, (*SMALL, *more))]
    done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == expected, done.stdout + done.stderr
    return done


@pytest.fixture(autouse=True)
def _engines():
    registry.require("v0")
    registry.require("v1")


@pytest.mark.timeout(SECONDS)
def test_what_no_look_decides_is_looked_at_to_the_last_sample(tmp_path):
    report, trace = tmp_path / "report.json", tmp_path / "trace.parquet"
    done = audit(
        *("--extend-until-decided", "--most-samples", 2, "--v1-args", json.dumps(RECIPE), "--fresh"),
        *("--output-file", report, "--save-reference", trace),
        expected=2,
    )
    document = json.loads(report.read_text(encoding="utf-8"))
    assert document["verdict"] == "INCONCLUSIVE"
    line = "looked 3 of at most 3 times, at 16 of 16 prompts with 2 samples of each"
    assert any(line in warning for warning in document["warnings"])
    assert "look 3, candidate: sampling" in done.stderr
    found = read_trace(trace)
    assert [(r.prompt, r.sample) for r in found.rollouts] == [(p, s) for p in range(16) for s in range(2)]
    assert len({prompt.text for prompt in found.prompts}) == 16
    assert [len(row) for row in found.noise_floor] == [len(r.token_ids) for r in found.rollouts]
    arms = {entry["name"]: entry["metrics"] for entry in document["arms"]}
    tokens = sum(len(rollout.token_ids) for rollout in found.rollouts)
    for name in ("noise-floor", "candidate"):
        assert arms[name]["against_reference"]["tokens"] == tokens
    # The candidate's records belong to the tokens they stand beside: anything else would be nats apart.
    assert arms["candidate"]["against_reference"]["mean_abs"]["high"] < 0.05
