import asyncio
import json
import os

import torch
from safetensors.torch import load_file, save_file
from vllm import SamplingParams
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.engine.async_llm_engine import AsyncLLMEngine

from weight_update_manager import WeightUpdateManager

OUT = os.environ["OUT"]
SAMPLING = dict(temperature=0.8, top_p=0.95, top_k=40, max_tokens=48)


def make_engine():
    engine_args = AsyncEngineArgs(
        model=os.environ["MODEL"],
        dtype="float32",
        max_model_len=256,
        max_num_seqs=32,
        enforce_eager=True,
        swap_space=0,
        num_scheduler_steps=1,
        disable_log_requests=True,
        disable_async_output_proc=True,
        worker_extension_cls="worker.WeightUpdateExtension",
        seed=3,
    )
    return AsyncLLMEngine.from_engine_args(engine_args)


async def rollout(engine, request_id, prompt_ids):
    final = None
    async for output in engine.generate(
        {"prompt_token_ids": prompt_ids}, SamplingParams(logprobs=0, **SAMPLING), request_id
    ):
        final = output
    completion = final.outputs[0]
    return {
        "prompt_token_ids": list(final.prompt_token_ids),
        "token_ids": list(completion.token_ids),
        "logprobs": [lp[token].logprob for token, lp in zip(completion.token_ids, completion.logprobs)],
    }


def new_weights():
    """What the trainer would publish."""
    weights = load_file(os.path.join(os.environ["MODEL"], "model.safetensors"))
    generator = torch.Generator().manual_seed(5)
    for name, value in weights.items():
        value = value.float()
        noise = torch.randn(value.shape, generator=generator) * value.std().nan_to_num(0.0)
        weights[name] = value + 0.15 * noise
    path = os.path.join(OUT, "weights_1.safetensors")
    save_file(weights, path)
    return path


async def main():
    engine = make_engine()
    tokenizer = await engine.get_tokenizer()
    manager = WeightUpdateManager(engine)
    with open(os.environ["PROMPTS"]) as f:
        prompts = [tokenizer.encode(json.loads(line)["prompt"]) for line in f][:16]

    def launch(tag, chosen):
        return [asyncio.create_task(rollout(engine, f"{tag}-{i}", p)) for i, p in enumerate(chosen)]

    before = await asyncio.gather(*launch("a", prompts))
    in_flight = launch("b", prompts[:8])
    await asyncio.sleep(0.02)
    await manager.receive_weight_update(new_weights())
    in_flight = await asyncio.gather(*in_flight)
    after = await asyncio.gather(*launch("c", prompts))

    with open(os.path.join(OUT, "rollouts.jsonl"), "w") as f:
        for version, rows in enumerate((before, after)):
            for row in rows:
                f.write(json.dumps({**row, "sampling": SAMPLING, "weights_version": version}) + "\n")
    with open(os.path.join(OUT, "in_flight.jsonl"), "w") as f:
        # sampled under both policies: kept for the staleness plot, not for training
        for row in in_flight:
            f.write(json.dumps(row) + "\n")
    print(f"{len(before)} + {len(in_flight)} + {len(after)} rollouts")


if __name__ == "__main__":
    asyncio.run(main())
