"""An audit result with every part filled, from plain numbers: no engine ran for it."""

from __future__ import annotations

import dataclasses
import math
from pathlib import PurePosixPath

from reward_reports import FULL as REWARD_CHECK

from vllm_migrate.audit.code.taken import Fate, Setting, Taken
from vllm_migrate.audit.result import AuditResult, RewardBin, Verdict
from vllm_migrate.audit.sections import (
    Advice,
    Band,
    Diagnostic,
    Invariant,
    Ladder,
    PromptShift,
    Rung,
    SettingRow,
    SpeedOption,
    SyncCase,
)
from vllm_migrate.resolve.flow.values import Place
from vllm_migrate.statistics.verdict import Estimate


def full_result(plain: AuditResult) -> AuditResult:
    """`plain` with every further part."""
    arms = tuple(
        dataclasses.replace(
            arm,
            worst=tuple(
                dataclasses.replace(token, before=("The", " sum", " is", " 4"), after=(" plus", " 5", "\n"))
                for token in arm.worst
            ),
        )
        for arm in plain.arms
    )
    assert plain.reward is not None
    reward = dataclasses.replace(
        plain.reward,
        distribution=(
            RewardBin(0.0, 0.0, 120, 130),
            RewardBin(0.5, 0.5, 30, 26),
            RewardBin(1.0, 1.0, 362, 356),
        ),
    )
    return dataclasses.replace(
        plain,
        arms=arms,
        reward=reward,
        reward_check=REWARD_CHECK,
        diagnostics=DIAGNOSTICS,
        bands=BANDS,
        forest=FOREST,
        ladder=LADDER,
        invariants=INVARIANTS,
        sync=SYNC,
        speed=SPEED,
        advice=ADVICE,
        assumptions=("temperature 0.7 was read from sampling.yaml", "dtype was not given: bfloat16"),
        settings_table=SETTINGS,
        code=CODE,
    )


REWARDS = (RewardBin(0.0, 0.0, 120, 130), RewardBin(0.5, 0.5, 30, 26), RewardBin(1.0, 1.0, 362, 356))
DIAGNOSTICS = (
    Diagnostic("top_k_kl", Estimate(0.0152, 0.0140, 0.0165), "nats", 0.01, "published range", notable=True),
    Diagnostic("entropy_shift", Estimate(0.002, -0.001, 0.005), "nats", 0.01, note="on the first 64 prompts"),
    Diagnostic("confident_disagreement", Estimate(0.0, 0.0, 0.0002), "share of tokens", 0.001),
    Diagnostic("something_new", Estimate(1.5), "steps"),
)
BANDS = tuple(
    Band("position", label, 900, Estimate(m, 0.9 * m, 1.1 * m), Estimate(m * m / 2))
    for label, m in (("0 to 15", 0.31), ("16 to 31", 0.36), ("32 to 63", 0.44))
) + tuple(
    Band("probability", label, tokens, Estimate(m, 0.8 * m, 1.25 * m), Estimate(m * m / 2))
    for label, tokens, m in (
        ("below 0.001", 12, 1.4),
        ("0.001 to 0.01", 90, 0.9),
        ("0.01 to 0.1", 600, 0.6),
        ("0.1 to 0.5", 1100, 0.4),
        ("above 0.5", 2198, 0.0),
    )
)
FOREST = tuple(
    PromptShift(k, Estimate(0.3 + 0.2 * math.sin(k), 0.1 + 0.2 * math.sin(k), 0.5 + 0.2 * math.sin(k)), 240)
    for k in range(64)
)
LADDER = Ladder(
    "mean_abs",
    Estimate(0.398, 0.39, 0.406),
    (
        Rung(
            "raw-instead-of-processed-logprobs",
            "semantic",
            {"logprobs_mode": "processed_logprobs"},
            "live",
            Estimate(0.962, 0.958, 0.966),
            0.4,
            0.0171,
            "raw equals reported before, not after",
            1.1,
        ),
        Rung(
            "head-precision",
            "numerics",
            {"head_dtype": "float32"},
            "live",
            Estimate(0.021, 0.019, 0.023),
            0.0171,
            0.0088,
            "logits left the bf16 lattice",
            0.9,
            "on top of logprobs_mode=processed_logprobs",
        ),
        Rung("batching", "path", {"max_num_seqs": 8}, "live", Estimate(-0.001, -0.002, 0.0), 0.0171, 0.0175),
        Rung("decode-vs-prefill", "path", {}, "live", Estimate(0.0), 0.0141, 0.0141, against="trainer"),
        Rung("attention-or-compilation", "path", {"enforce_eager": True}, "signature", note="GPUs only"),
    ),
    residual=Estimate(0.017, 0.015, 0.019),
    interaction=Estimate(-0.004, -0.006, -0.002),
)
INVARIANTS = (
    Invariant("repeats-itself", holds=True, value=0.0, allowed=0.0, tokens=2048),
    Invariant("no-stale-prefix", holds=False, value=0.00031, allowed=0.0, tokens=2048, note="reload"),
    Invariant("fp32-head", holds=None, note="no trainer with a float32 head was given"),
)
RELOADED = SyncCase(
    "v1@0.32.0",
    "reload",
    prefix_caching=True,
    reset=True,
    tokens=2048,
    differing=0,
    mean_abs=0.0,
    max_abs=0.0,
    moved=0.21,
    stale=False,
)
SYNC = (
    dataclasses.replace(
        RELOADED,
        reset=False,
        differing=911,
        mean_abs=1e-5,
        max_abs=0.00031,
        stale=True,
        note="32 tokens from old blocks",
    ),
    RELOADED,
    SyncCase("v1@0.32.0", "pause-keep", prefix_caching=True, reset=False, note="no AsyncLLM in this engine"),
    dataclasses.replace(
        RELOADED,
        engine="v0",
        mode="in-place",
        prefix_caching=False,
        reset=False,
        head="float32",
        flight_old=5,
        flight_new=9,
        flight_mixed=1,
    ),
)
SPEED = (
    SpeedOption({"enable_prefix_caching": True}, Verdict.PASS, Estimate(1.31, 1.28, 1.35), recommended=True),
    SpeedOption(
        {"async_scheduling": True}, Verdict.INCONCLUSIVE, Estimate(math.nan), note="forced off on CPU"
    ),
)
ADVICE = (
    Advice(
        "Report processed logprobs", "raw ones are off by 0.4 nats", {"logprobs_mode": "processed_logprobs"}
    ),
    Advice("Hold back importance sampling", "semantics are not cleared"),
)
SETTINGS = (
    SettingRow("logprobs_mode", "processed_logprobs", "raw_logprobs", "processed_logprobs", tried=True),
    SettingRow("dtype", "bfloat16", "bfloat16", "bfloat16", "you"),
)
_AT, _YAML = Place(PurePosixPath("train.py"), 25), Place(PurePosixPath("run.yaml"), 3)
CODE = Taken(
    _AT,
    "LLM",
    (
        Setting("engine", "dtype", Fate.TAKEN, "bfloat16", "cfg.dtype", _YAML, _AT),
        Setting(
            "engine",
            "max_model_len",
            Fate.UNRESOLVED,
            None,
            "os.environ['LEN']",
            _AT,
            _AT,
            note="set at run time",
        ),
    ),
)
