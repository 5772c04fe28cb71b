"""One clipped policy-gradient step on the collected rollouts."""

import json
import os

import torch
from transformers import AutoModelForCausalLM

policy = AutoModelForCausalLM.from_pretrained(os.environ["MODEL"], torch_dtype=torch.float32)
optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-5)
with open(os.path.join(os.environ["OUT"], "rollouts.jsonl")) as f:
    rollouts = [row for row in map(json.loads, f) if "choices" not in row["sampling"]]

losses = []
for row in rollouts:
    ids = torch.tensor([row["prompt_token_ids"] + row["token_ids"]])
    n = len(row["token_ids"])
    logits = policy(ids).logits[:, -n - 1 : -1] / row["sampling"]["temperature"]
    logprobs = logits.log_softmax(-1).gather(-1, ids[:, -n:, None]).squeeze()
    ratio = (logprobs - torch.tensor(row["logprobs"])).exp()
    advantage = 1.0 if len(row["token_ids"]) < row["sampling"]["max_tokens"] else -1.0
    loss = -torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).mean()
    (loss / len(rollouts)).backward()
    losses.append(loss.item())
optimizer.step()
with open(os.path.join(os.environ["OUT"], "train.json"), "w") as f:
    json.dump({"loss": sum(losses) / len(losses), "rollouts": len(losses)}, f)
