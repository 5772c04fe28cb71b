"""A reference and candidates that followed it, made of numbers: what `record` would have written."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vllm_migrate.trace.checkpoint import CheckpointHashes
from vllm_migrate.trace.digest import tokens_digest
from vllm_migrate.trace.model import Prompt, Provenance, Rollout, Trace
from vllm_migrate.trace.seal import sealed
from vllm_migrate.workers.protocol import SamplingSettings, to_wire

HASHES = CheckpointHashes("model", "weights", "tokenizer", "template")
PROMPTS, SAMPLES, TOKENS = 16, 2, 12
ENOUGH = 400  # prompts for a verdict of PASS
SAMPLING = SamplingSettings(temperature=0.7, top_p=0.9, top_k=50, max_tokens=TOKENS)
NOISE = 1e-4  # nats


def provenance(engine, **more):
    return Provenance(
        engine=engine,
        version="0.8.5" if engine == "v0" else "0.32.0",
        engine_class=f"{engine}.LLMEngine",
        runner="v0" if engine == "v0" else "v1-model-runner",
        settings={"dtype": "bfloat16"},
        engine_args={},
        sampling=to_wire(SAMPLING),
        model="",
        tool="0",
        created="2026-01-01T00:00:00+00:00",
        samples=SAMPLES,
        **more,
    )


def reference(*, days=0, seed=0, prompts=PROMPTS):
    """V0's side: every prompt with text, ids and an answer; the noise floor is exact."""
    drawn = np.random.default_rng(seed)
    asked = tuple(
        Prompt(n, f"secret prompt {n}", (1, 2, n), {"answer": f"secret {n}"}, stratum="3 tokens")
        for n in range(prompts)
    )
    rollouts = tuple(
        Rollout(
            n,
            sample,
            tuple(drawn.integers(0, 100, TOKENS).tolist()),
            tuple((-drawn.exponential(1.0, TOKENS)).tolist()),
            f"secret completion {n}.{sample}",
            "length",
        )
        for n in range(prompts)
        for sample in range(SAMPLES)
    )
    floor = tuple(rollout.logprobs for rollout in rollouts)
    return sealed(Trace(provenance("v0"), asked, rollouts, floor), HASHES, days)


def candidate(theirs, *, shift=0.0, raw=False, seed=1):
    """V1's side: the same tokens, logprobs moved by noise and by `shift` nats.

    Args:
        theirs: the reference.
        shift: added to each token's logprob. raw: whether the shifted ones are the engine's raw logprobs.
        seed: of the noise.
    """
    drawn = np.random.default_rng(seed)

    def moved(rollout):
        noise = drawn.normal(0.0, NOISE, len(rollout.logprobs))
        reported = np.minimum(np.array(rollout.logprobs) + noise + shift, 0.0)
        return replace(
            rollout,
            logprobs=tuple(reported.tolist()),
            raw=tuple((reported if raw else reported - 0.5).tolist()),
            trainer=rollout.logprobs,
            trainer_raw=tuple((np.array(rollout.logprobs) - 0.5).tolist()),
        )

    rollouts = tuple(map(moved, theirs.rollouts))
    free = tuple(replace(rollout, text="secret free run") for rollout in map(moved, theirs.rollouts))
    made = provenance("v1", follows=tokens_digest(theirs))
    return sealed(Trace(made, theirs.prompts, rollouts, free=free), HASHES, 0)
