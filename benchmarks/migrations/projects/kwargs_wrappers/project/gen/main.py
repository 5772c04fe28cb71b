import json
import os

import torch

from gen.engine import EngineConfig, build
from gen.generate import Generator
from gen.sampling import SamplingFactory, guided, params

DIGITS = r"( ?[0-9]){6}"


def reinforce_loss(policy_logprobs, rollout_logprobs, advantage):
    ratio = torch.exp(policy_logprobs - rollout_logprobs)
    return -(ratio * advantage).mean()


def main():
    llm = build(EngineConfig(model=os.environ["MODEL"], extra={"max_num_seqs": 24}))
    tokenizer = llm.get_tokenizer()
    with open(os.environ["PROMPTS"]) as f:
        ids = [tokenizer.encode(json.loads(line)["prompt"]) for line in f][:8]
    generator = Generator(llm)
    allowed = sorted({t for digit in "0123456789" for t in tokenizer.encode(digit)} | {tokenizer.eos_token_id})

    runs = [
        (params(n=3), {"temperature": 0.8, "top_p": 0.95, "max_tokens": 40, "n": 3}),
        (
            guided(regex=DIGITS, temperature=1.0, top_p=1.0),
            {"temperature": 1.0, "max_tokens": 40, "regex": DIGITS, "n": 1},
        ),
        (
            SamplingFactory(temperature=0.9, max_tokens=12, allowed_token_ids=allowed, logprobs=0).make(),
            {"temperature": 0.9, "max_tokens": 12, "allowed_token_ids": allowed, "n": 1},
        ),
    ]
    counts, losses = [], []
    with open(os.path.join(os.environ["OUT"], "rollouts.jsonl"), "w") as f:
        for number, (sampling_params, sampling) in enumerate(runs):
            rows = generator.generate(ids, sampling_params)
            counts.append(len(rows))
            for row in rows:
                row = {**row, "sampling": sampling, "weights_version": 0, "prompt": [number, *row["prompt_token_ids"]]}
                f.write(json.dumps(row) + "\n")
                old = torch.tensor(row["logprobs"], requires_grad=True)
                loss = reinforce_loss(old, old.detach(), advantage=1.0)
                loss.backward()
                losses.append(loss.item())
    with open(os.path.join(os.environ["OUT"], "summary.json"), "w") as f:
        json.dump({"rollouts": counts, "loss": sum(losses) / len(losses)}, f)


if __name__ == "__main__":
    main()
