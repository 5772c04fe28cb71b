from __future__ import annotations

import torch
from transformers import AutoModelForCausalLM


def distillation_loss(model_path: str, rows: list[dict]) -> float:
    """Forward KL over the teacher's top-k, student at the teacher's temperature."""
    student = AutoModelForCausalLM.from_pretrained(model_path, torch_dtype=torch.float32)
    losses = []
    with torch.no_grad():
        for row in rows:
            start = len(row["prompt_token_ids"])
            ids = torch.tensor([row["prompt_token_ids"] + row["token_ids"]])
            logits = student(ids).logits[0, start - 1 : -1] / row["sampling"]["temperature"]
            logq = logits.log_softmax(-1)
            for position, entries in enumerate(row["teacher"]):
                tokens = torch.tensor([e[0] for e in entries])
                logp = torch.tensor([e[1] for e in entries])
                p = logp.exp() / logp.exp().sum()
                losses.append((p * (p.log() - logq[position, tokens])).sum().item())
    return sum(losses) / len(losses)
