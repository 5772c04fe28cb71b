import json
import os
import sys

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from workers.config import load
from workers.sharding_manager import FSDPVLLMShardingManager
from workers.vllm_rollout import _pre_process_inputs, vLLMRollout


def perturb(module, noise, generator):
    """Stands for the update of the actor: the rollout's side does not care where new weights come from."""
    with torch.no_grad():
        for parameter in module.parameters():
            step = torch.randn(parameter.shape, generator=generator) * parameter.std().nan_to_num(0.0)
            parameter.add_(noise * step)


def main():
    config = load(sys.argv[1])
    rollout_config = config.actor_rollout_ref.rollout
    path = config.actor_rollout_ref.model.path
    tokenizer = AutoTokenizer.from_pretrained(path, padding_side="left")
    actor = AutoModelForCausalLM.from_pretrained(path, torch_dtype=torch.float32)
    generator = torch.Generator().manual_seed(1)

    with open(config.data.prompts) as f:
        prompts = [json.loads(line)["prompt"] for line in f]

    rollout = vLLMRollout(path, rollout_config, tokenizer, config.data)
    sharding_manager = FSDPVLLMShardingManager(actor, rollout.inference_engine)
    sampling = {
        "temperature": rollout_config.temperature,
        "top_k": rollout_config.top_k,
        "top_p": rollout_config.top_p,
        "n": rollout_config.n,
        "max_tokens": config.data.max_response_length,
    }

    out = os.environ["OUT"]
    with open(os.path.join(out, "rollouts.jsonl"), "w") as f:

        def write(batch, sampling, version):
            for i, length in enumerate(batch["response_lengths"]):
                row = {
                    "prompt_token_ids": _pre_process_inputs(tokenizer.pad_token_id, batch["prompts"][i]),
                    "token_ids": batch["responses"][i][:length].tolist(),
                    "logprobs": batch["rollout_log_probs"][i][:length].tolist(),
                    "sampling": sampling,
                    "weights_version": version,
                }
                f.write(json.dumps(row) + "\n")

        for step in range(config.trainer.steps):
            first = step * config.data.train_batch_size
            batch = prompts[first : first + config.data.train_batch_size]
            idx = tokenizer(batch, return_tensors="pt", padding=True, add_special_tokens=False)["input_ids"]
            if step == 0:
                output = rollout.generate_sequences(idx)
            else:
                perturb(actor, config.trainer.noise, generator)
                save_file(
                    {k: v.to(torch.bfloat16).contiguous() for k, v in actor.state_dict().items()},
                    os.path.join(out, f"weights_{step}.safetensors"),
                )
                with sharding_manager:
                    output = rollout.generate_sequences(idx)
            write(output, sampling, step)

        val_kwargs = dict(rollout_config.val_kwargs)
        idx = tokenizer(prompts[-4:], return_tensors="pt", padding=True, add_special_tokens=False)["input_ids"]
        val = rollout.generate_sequences(idx, do_sample=val_kwargs["do_sample"])
        greedy = {"temperature": 0, "n": 1, "max_tokens": config.data.max_response_length}
        write(val, greedy, config.trainer.steps - 1)
    with open(os.path.join(out, "val.json"), "w") as f:
        texts = [tokenizer.decode(r[:n]) for r, n in zip(val["responses"], val["response_lengths"])]
        json.dump({"texts": texts}, f)


if __name__ == "__main__":
    main()
