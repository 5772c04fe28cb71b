import torch


class Actor:
    def __init__(self, config):
        from transformers import AutoModelForCausalLM

        self.config = config
        self.module = AutoModelForCausalLM.from_pretrained(config.path, torch_dtype=getattr(torch, config.dtype))
        self.optimizer = torch.optim.AdamW(self.module.parameters(), lr=config.optim.lr)

    def update(self, batch, advantages):
        self.optimizer.zero_grad()
        for (prompt, response, old, _, used), advantage in zip(batch, advantages):
            ids = torch.tensor([prompt + response])
            logits = self.module(ids).logits[0, len(prompt) - 1 : -1].float() / max(used["temperature"], 1e-2)
            new = logits.log_softmax(-1).gather(1, ids[0, len(prompt) :, None]).squeeze(1)
            ratio = (new - torch.tensor(old)).clamp(-5, 5).exp()
            clip = self.config.clip_ratio
            loss = -torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage).mean()
            (loss / len(batch)).backward()
        torch.nn.utils.clip_grad_norm_(self.module.parameters(), self.config.optim.grad_clip)
        self.optimizer.step()

    def state_dict(self):
        return {k: v.detach().to(torch.bfloat16).contiguous() for k, v in self.module.state_dict().items()}
