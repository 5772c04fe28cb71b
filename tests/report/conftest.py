"""A synthetic audit result for the renderers' tests: made by a seeded generator, no engine ran for it.

It resembles what real engines showed: a reference that reports processed logprobs at temperature 0.7, a
candidate that reports raw ones, a remedy that is back at the noise floor.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from full import full_result

from vllm_migrate.audit.result import (
    Arm,
    AuditResult,
    Cause,
    Check,
    Estimate,
    Metrics,
    Remedy,
    Reward,
    Verdict,
    WorstToken,
)

if TYPE_CHECKING:
    from collections.abc import Callable

TOKENS = 4000
PER_PROMPT = 40


def estimate(values: np.ndarray) -> Estimate:
    prompts = values[: values.size // PER_PROMPT * PER_PROMPT].reshape(-1, PER_PROMPT).mean(axis=1)
    half = 1.96 * float(prompts.std(ddof=1)) / math.sqrt(prompts.size)
    mean = float(values.mean())
    return Estimate(mean, mean - half, mean + half)


def metrics_of(deltas: np.ndarray) -> Metrics:
    d = deltas[np.isfinite(deltas)]
    ratio = np.exp(d)
    return Metrics(
        mean_abs=estimate(np.abs(d)),
        p99_abs=float(np.quantile(np.abs(d), 0.99)),
        max_abs=float(np.abs(d).max()),
        mean_ratio_deviation=estimate(ratio - 1),
        k1=estimate(-d),
        k2=estimate(d**2 / 2),
        k3=estimate(ratio - d - 1),
        tail_f2=estimate((np.abs(d) > math.log(2)).astype(float)),
        clip_rate=estimate((np.abs(np.exp(-d) - 1) > 0.2).astype(float)),
        ess=float(ratio.sum() ** 2 / (ratio.size * (ratio**2).sum())),
        outside_support=estimate((~np.isfinite(deltas)).astype(float)),
        tokens=deltas.size,
        prompts=deltas.size // PER_PROMPT,
    )


def checks_of(metrics: Metrics) -> tuple[Check, ...]:
    out = []
    for name, margin in (
        ("mean_abs", 0.02),
        ("k2", 1e-3),
        ("clip_rate", 0.01),
        ("mean_ratio_deviation", 5e-3),
    ):
        found = getattr(metrics, name)
        far = max(abs(found.low), abs(found.high))
        near = 0.0 if found.low <= 0 <= found.high else min(abs(found.low), abs(found.high))
        verdict = Verdict.PASS if far < margin else Verdict.FAIL if near > margin else Verdict.INCONCLUSIVE
        out.append(
            Check(name, found.value, found.low, found.high, margin, "the published healthy range", verdict)
        )
    return tuple(out)


def worst_of(deltas: np.ndarray, reference: np.ndarray, positions: np.ndarray) -> tuple[WorstToken, ...]:
    order = np.argsort(-np.abs(deltas))[:12]
    return tuple(
        WorstToken(
            int(k) // PER_PROMPT,
            int(positions[k]),
            f" w{int(k) % 512}",
            float(reference[k]),
            float(reference[k] + deltas[k]),
        )
        for k in order
    )


def arm_of(
    name: str, verdict: Verdict | None, deltas: np.ndarray, reference: np.ndarray, **changed: Any
) -> Arm:
    positions = np.arange(deltas.size) % PER_PROMPT
    metrics = metrics_of(deltas)
    plain: dict[str, Any] = {
        "name": name,
        "engine": "v1@0.32.0",
        "engine_class": "vllm.v1.engine.llm_engine.LLMEngine",
        "runner": "v1-model-runner",
        "version": "0.32.0",
        "settings": {
            "logprobs_mode": "raw_logprobs",
            "enable_prefix_caching": True,
            "async_scheduling": False,
            "dtype": "bfloat16",
            "max_num_seqs": 128,
            "seed": 0,
            "device": "cpu",
        },
        "verdict": verdict,
        "against_reference": metrics,
        "against_trainer": metrics_of(-deltas),
        "checks": checks_of(metrics) if verdict else (),
        "deltas": tuple(deltas.tolist()),
        "positions": tuple(positions.tolist()),
        "reference_logprobs": tuple(reference.tolist()),
        "worst": worst_of(deltas, reference, positions) if verdict else (),
    }
    return Arm(**{**plain, **changed})


def synthetic_result(tokens: int = TOKENS, seed: int = 7) -> AuditResult:
    """The whole result over `tokens` tokens."""
    rng = np.random.default_rng(seed)
    gaps = rng.gamma(1.1, 3.2, size=(tokens, 1)) * np.sort(rng.random((tokens, 24)), axis=1)
    raw = gaps - np.log(np.exp(gaps).sum(axis=1, keepdims=True))
    processed = raw / 0.7 - np.log(np.exp(raw / 0.7).sum(axis=1, keepdims=True))
    picked = (processed + rng.gumbel(size=processed.shape)).argmax(axis=1)
    rows = np.arange(tokens)
    reference = processed[rows, picked]
    drift = 0.5 + (rows % PER_PROMPT) / PER_PROMPT
    noise = [rng.standard_t(4, size=tokens) * 0.0028 * drift for _ in range(3)]
    moved = raw[rows, picked] - reference + noise[1]
    moved[:: tokens // 6] = -np.inf
    remedied = noise[2].copy()
    remedied[5] = -np.inf
    processed_settings = {"logprobs_mode": "processed_logprobs", "enable_prefix_caching": False}
    base = arm_of("remedy", Verdict.PASS, remedied, reference)
    v0: dict[str, Any] = {
        "engine": "v0",
        "engine_class": "vllm.engine.llm_engine.LLMEngine",
        "runner": "v0",
        "version": "0.8.5.post2",
        "settings": {
            "enable_prefix_caching": False,
            "dtype": "bfloat16",
            "max_num_seqs": 128,
            "seed": 0,
            "device": "cpu",
        },
    }
    floor = arm_of("noise-floor", None, noise[0], reference, **v0, note="other process, requests shuffled")
    return AuditResult(
        verdict=Verdict.FAIL,
        reason="divergence",
        cause=Cause.RAW_LOGPROBS,
        cause_evidence="Flipping logprobs_mode alone removes 98% of the excess mean |Δlogp|.",
        settings=processed_settings,
        remedy=Remedy(processed_settings, Verdict.PASS),
        reward=Reward(
            0.701,
            0.676,
            Estimate(-0.025, -0.082, 0.032),
            0.05,
            0.081,
            Verdict.INCONCLUSIVE,
            "reward.py:addition",
        ),
        arms=(
            dataclasses.replace(
                floor,
                name="reference",
                against_reference=None,
                deltas=(),
                positions=(),
                reference_logprobs=(),
                note="",
            ),
            floor,
            arm_of("candidate", Verdict.FAIL, moved, reference),
            dataclasses.replace(base, settings={**base.settings, **processed_settings}),
            arm_of(
                "flip:logprobs_mode",
                Verdict.PASS,
                remedied * 1.1,
                reference,
                settings={**base.settings, "logprobs_mode": "processed_logprobs"},
                checks=(),
                worst=(),
            ),
        ),
        timing={
            "reference.load": 29.8,
            "reference.sample": 1.1,
            "candidate.load": 185.0,
            "statistics": 0.31,
            "cpu": 54.8,
        },
        model="fixtures/tiny-adder",
        sampling={"temperature": 0.7, "top_p": 0.9, "top_k": 50, "max_tokens": 64},
        clip_range=0.2,
        prompts=tokens // PER_PROMPT,
        warnings=("Async scheduling is forced off on CPU; it was not exercised.",),
        tool="0.1.0",
        created="2026-11-22T12:00:00Z",
        smallest_detectable=0.0021,
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory to work in."""
    (tmp_path / "p").mkdir()
    monkeypatch.chdir(tmp_path / "p")
    return tmp_path / "p"


@pytest.fixture(scope="session")
def make_audit() -> Callable[..., AuditResult]:
    return synthetic_result


@pytest.fixture(scope="session")
def audit() -> AuditResult:
    return synthetic_result()


@pytest.fixture(scope="session")
def full(audit: AuditResult) -> AuditResult:
    return full_result(audit)
