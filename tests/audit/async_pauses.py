"""Run by an engine's own interpreter: weight updates under the pause modes of its AsyncLLM.

Usage: async_pauses.py OLD_CHECKPOINT NEW_CHECKPOINT PROMPTS.json RESULT.json

The engine's core lives in a process of its own here, as it does under a trainer's server; requests are
greedy. The same prompts are asked of an engine that was started on the new weights, and then, for every mode,
of one that got them while requests were running.
"""

from __future__ import annotations

import asyncio
import json
import sys
from itertools import count
from pathlib import Path

from vllm import SamplingParams
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.v1.engine.async_llm import AsyncLLM

MODES = ("keep", "abort", "wait")
RUNNING, SHORT, LONG, BEGUN = 4, 8, 48, 6
NUMBERS = count()


def build(checkpoint):
    """An engine with prefix caching."""
    arguments = AsyncEngineArgs(
        model=checkpoint, enable_prefix_caching=True, enforce_eager=True, max_num_seqs=32, dtype="bfloat16"
    )
    return AsyncLLM.from_engine_args(arguments)


class Watched:
    """A request that runs: how many tokens it has, and whether it has begun in earnest."""

    def __init__(self):
        self.tokens = 0
        self.begun = asyncio.Event()

    def grown(self, tokens):
        """It has so many tokens now."""
        self.tokens = tokens
        if tokens >= BEGUN:
            self.begun.set()


async def ask(engine, ids, tokens, watched=None):
    """One greedy completion."""
    params = SamplingParams(temperature=0.0, max_tokens=tokens, logprobs=1, ignore_eos=True, detokenize=False)
    output = None
    async for output in engine.generate({"prompt_token_ids": ids}, params, request_id=f"r{next(NUMBERS)}"):
        if watched is not None:
            watched.grown(len(output.outputs[0].token_ids))
    completion = output.outputs[0]
    return {
        "ids": list(completion.token_ids),
        "logprobs": [
            row[token].logprob for row, token in zip(completion.logprobs, completion.token_ids, strict=True)
        ],
        "reason": completion.finish_reason,
        "cached": output.num_cached_tokens or 0,
    }


async def ask_all(engine, prompts):
    """A short completion of every prompt."""
    return await asyncio.gather(*[ask(engine, ids, SHORT) for ids in prompts])


def differing(one, two):
    """How many tokens' logprobs are not the same bits."""
    return sum(
        a != b
        for ours, theirs in zip(one, two, strict=True)
        for a, b in zip(ours["logprobs"], theirs["logprobs"], strict=True)
    )


async def update(engine, prompts, checkpoints, cold, mode, *, clear):
    """One update while requests run."""
    old, new = checkpoints
    await engine.collective_rpc("reload_weights", kwargs={"weights_path": old})
    await engine.reset_prefix_cache()
    before = await ask_all(engine, prompts)
    seen = [Watched() for _ in range(RUNNING)]
    running = [
        asyncio.create_task(ask(engine, ids, LONG, watched))
        for ids, watched in zip(prompts, seen, strict=False)
    ]
    for watched in seen:
        await watched.begun.wait()
    await engine.pause_generation(mode=mode, clear_cache=clear)
    paused, at_pause = await engine.is_paused(), [watched.tokens for watched in seen]
    await engine.collective_rpc("reload_weights", kwargs={"weights_path": new})
    late = asyncio.create_task(ask(engine, prompts[0], SHORT))
    await asyncio.sleep(0.1)
    waited = not late.done()
    await engine.resume_generation()
    finished = await asyncio.gather(*running)
    await late
    after = await ask_all(engine, prompts)
    return {
        "mode": mode,
        "clear": clear,
        "paused": paused and waited,
        "at_pause": at_pause,
        "lengths": [len(one["ids"]) for one in finished],
        "reasons": sorted({one["reason"] for one in finished}),
        "cached": sum(one["cached"] for one in after),
        "moved": differing(before, cold),
        "differing": differing(after, cold),
        "tokens": sum(len(one["logprobs"]) for one in cold),
    }


async def tried(old, new, prompts):
    """Every mode, with and without clearing the cache."""
    engine = build(new)
    cold = await ask_all(engine, prompts)
    repeats = differing(await ask_all(engine, prompts), cold)
    engine.shutdown()
    engine = build(old)
    client = type(engine.engine_core).__name__
    rows = [
        await update(engine, prompts, (old, new), cold, mode, clear=clear)
        for mode in MODES
        for clear in (False, True)
    ]
    engine.shutdown()
    return {"client": client, "repeats": repeats, "rows": rows}


def main():
    """Read what to ask, and write what came of it."""
    old, new, prompts, result = sys.argv[1:]
    found = asyncio.run(tried(old, new, json.loads(Path(prompts).read_text())))
    Path(result).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
