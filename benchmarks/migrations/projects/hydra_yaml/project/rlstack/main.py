import json
import os
import re
import sys

import torch
from safetensors.torch import save_file

from rlstack.config import compose
from rlstack.ppo import Actor
from rlstack.rollout import VLLMRollout

CONF = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "conf")


def reward(text, answer):
    found = re.search(r"Answer:((?:\s*\d)+)", text)
    return float(bool(found) and re.sub(r"\s", "", found.group(1)) == answer)


def main(argv):
    config = compose(CONF, overrides=argv)
    torch.manual_seed(config.seed)
    rollout = VLLMRollout(config.actor.path, config.rollout, config.data, config.seed)
    actor = Actor(config.actor)
    with open(config.data.train_files) as f:
        rows = [json.loads(line) for line in f]
    size, n = config.trainer.train_batch_size, config.rollout.sampling.n

    out = open(os.path.join(config.trainer.default_local_dir, "rollouts.jsonl"), "w")

    def write(batch, version):
        for prompt, response, log_probs, text, used in batch:
            row = dict(prompt_token_ids=prompt, token_ids=response, logprobs=log_probs, text=text)
            out.write(json.dumps({**row, "sampling": used, "weights_version": version}) + "\n")

    for step in range(config.trainer.total_steps):
        chunk = rows[step * size : (step + 1) * size]
        batch = rollout.generate_sequences([rollout.tokenizer.encode(r["prompt"]) for r in chunk])
        write(batch, step)
        rewards = torch.tensor([reward(entry[3], chunk[i // n]["answer"]) for i, entry in enumerate(batch)])
        grouped = rewards.view(-1, n)
        advantages = ((grouped - grouped.mean(1, keepdim=True)) / (grouped.std(1, keepdim=True) + 1e-3)).flatten()
        actor.update(batch, (advantages + 0.05).tolist())
        weights = actor.state_dict()
        save_file(weights, os.path.join(config.trainer.default_local_dir, f"weights_{step + 1}.safetensors"))
        rollout.sync_from(weights)
        print(f"step {step}: reward {rewards.mean():.3f}", flush=True)

    held_out = rows[-size:]
    batch = rollout.generate_sequences([rollout.tokenizer.encode(r["prompt"]) for r in held_out], do_sample=False)
    write(batch, config.trainer.total_steps)
    print("validation:", sum(reward(b[3], r["answer"]) for b, r in zip(batch, held_out)) / size)
    out.close()


if __name__ == "__main__":
    main(sys.argv[1:])
