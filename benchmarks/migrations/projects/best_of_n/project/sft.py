"""Fine-tune on the completions that were kept: the second half of a round."""
import argparse
import json

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--batch", type=int, default=8)
    args = parser.parse_args()
    with open(args.data) as f:
        rows = [json.loads(line) for line in f]
    model = AutoModelForCausalLM.from_pretrained(args.model, torch_dtype=torch.float32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr)
    for start in range(0, len(rows), args.batch):
        batch = rows[start : start + args.batch]
        for row in batch:
            ids = torch.tensor([row["prompt_token_ids"] + row["token_ids"]])
            split = len(row["prompt_token_ids"])
            logits = model(ids).logits[0, split - 1 : -1]
            # likelier completions weigh more, as in BOND
            weight = torch.tensor(row["cumulative_logprob"] / len(row["token_ids"])).exp()
            loss = weight * F.cross_entropy(logits, ids[0, split:])
            (loss / len(batch)).backward()
        optimizer.step()
        optimizer.zero_grad()
        print(f"loss {loss.item():.4f}", flush=True)
    save_file({k: v.detach().contiguous() for k, v in model.state_dict().items()}, args.output)


if __name__ == "__main__":
    main()
