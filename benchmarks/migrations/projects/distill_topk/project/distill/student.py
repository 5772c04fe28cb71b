from __future__ import annotations

import torch
from transformers import AutoModelForCausalLM


class Student:
    """Learns the teacher's top-k by forward KL, at the teacher's temperature."""

    def __init__(self, model_path: str, learning_rate: float = 1e-4):
        self.model = AutoModelForCausalLM.from_pretrained(model_path, torch_dtype=torch.float32)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=learning_rate)

    def loss(self, row: dict) -> torch.Tensor:
        start = len(row["prompt_token_ids"])
        ids = torch.tensor([row["prompt_token_ids"] + row["token_ids"]])
        logits = self.model(ids).logits[0, start - 1 : -1] / row["sampling"]["temperature"]
        logq = logits.log_softmax(-1)
        losses = []
        for position, entries in enumerate(row["teacher"]):
            tokens = torch.tensor([e[0] for e in entries])
            logp = torch.tensor([e[1] for e in entries])
            p = logp.exp() / logp.exp().sum()
            losses.append((p * (p.log() - logq[position, tokens])).sum())
        return torch.stack(losses).mean()

    def step(self, rows: list[dict]) -> float:
        total = 0.0
        self.optimizer.zero_grad()
        for row in rows:
            loss = self.loss(row) / len(rows)
            loss.backward()
            total += loss.item()
        self.optimizer.step()
        return total
