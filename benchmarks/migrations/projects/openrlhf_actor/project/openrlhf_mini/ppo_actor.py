import os

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from openrlhf_mini.ray.vllm_engine import batch_vllm_engine_call


class ActorPPOTrainer:
    """The policy, one REINFORCE step a batch, and the road of its weights into the engines."""

    def __init__(self, args, vllm_engines):
        self.args = args
        self.vllm_engines = vllm_engines
        self.actor = AutoModelForCausalLM.from_pretrained(args.pretrain, torch_dtype=torch.float32)
        self.optim = torch.optim.Adam(self.actor.parameters(), lr=args.actor_learning_rate)
        self.num_updates = 0

    def ppo_train(self, samples, rewards):
        baseline = sum(rewards) / len(rewards)
        self.optim.zero_grad()
        for sample, reward in zip(samples, rewards):
            ids = torch.tensor([sample.prompt_token_ids + sample.token_ids])
            n = len(sample.token_ids)
            logits = self.actor(input_ids=ids).logits[:, -n - 1 : -1] / self.args.temperature
            logp = logits.log_softmax(-1).gather(-1, ids[:, -n:, None]).squeeze(-1)
            old = torch.tensor(sample.rollout_log_probs)
            ratio = (logp - old).clamp(-10, 10).exp()
            loss = -(ratio * (reward - baseline)).mean() / len(samples)
            loss.backward()
        self.optim.step()

    def broadcast_to_vllm(self):
        self.num_updates += 1
        path = os.path.join(self.args.save_path, f"weights_{self.num_updates}.safetensors")
        save_file({name: value.detach().contiguous() for name, value in self.actor.state_dict().items()}, path)
        batch_vllm_engine_call(self.vllm_engines, "update_weight_from_file", path)
        batch_vllm_engine_call(self.vllm_engines, "reset_prefix_cache")
