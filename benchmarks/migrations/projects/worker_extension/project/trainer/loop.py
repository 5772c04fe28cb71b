import json
import os
import re
from dataclasses import dataclass
from typing import Optional

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM
from vllm import LLM, SamplingParams

ANSWER = re.compile(r"Answer:((?:\s*\d)+)")


@dataclass
class ReinforceConfig:
    model: str
    prompts: str
    output_dir: str
    steps: int = 2
    prompts_per_step: int = 6
    samples: int = 4
    learning_rate: float = 4e-4
    temperature: float = 0.8
    top_p: float = 0.9
    top_k: int = 40
    max_tokens: int = 56
    seed: int = 3
    vllm_gpu_memory_utilization: float = 0.3
    vllm_max_model_len: Optional[int] = 256


class Reinforce:
    """REINFORCE with a leave-one-out baseline; the engine is fed through files."""

    def __init__(self, config: ReinforceConfig):
        self.config = config
        torch.manual_seed(config.seed)
        with open(config.prompts) as f:
            self.rows = [json.loads(line) for line in f]
        self.policy = AutoModelForCausalLM.from_pretrained(config.model, torch_dtype=torch.float32)
        self.optimizer = torch.optim.AdamW(self.policy.parameters(), lr=config.learning_rate)
        self.llm = LLM(
            model=config.model,
            tensor_parallel_size=1,
            dtype="bfloat16",
            gpu_memory_utilization=config.vllm_gpu_memory_utilization,
            max_model_len=config.vllm_max_model_len,
            worker_extension_cls="trainer.sync.WeightSyncExtension",
            enforce_eager=True,
            enable_prefix_caching=False,
        )
        self.sampling_params = SamplingParams(
            n=config.samples,
            temperature=config.temperature,
            top_p=config.top_p,
            top_k=config.top_k,
            max_tokens=config.max_tokens,
            logprobs=0,
        )
        self.version = 0

    def rollout(self, rows):
        outputs = self.llm.generate([r["prompt"] for r in rows], self.sampling_params, use_tqdm=False)
        samples = []
        for row, output in zip(rows, outputs):
            for completion in output.outputs:
                ids = list(completion.token_ids)
                match = ANSWER.search(completion.text)
                given = re.sub(r"\s", "", match.group(1)) if match else None
                samples.append(
                    {
                        "prompt_token_ids": list(output.prompt_token_ids),
                        "token_ids": ids,
                        "logprobs": [d[t].logprob for d, t in zip(completion.logprobs, ids)],
                        "reward": float(given == row["answer"]),
                    }
                )
        return samples

    def loss(self, samples):
        """Leave-one-out advantages times log-probabilities; one sequence at a time keeps it simple."""
        n, losses = self.config.samples, []
        for i, sample in enumerate(samples):
            group = samples[i // n * n : i // n * n + n]
            baseline = (sum(s["reward"] for s in group) - sample["reward"]) / (n - 1)
            advantage = sample["reward"] - baseline
            # an entropy-like pull keeps groups without contrast from being wasted
            advantage = advantage if advantage else 0.1
            ids = torch.tensor([sample["prompt_token_ids"] + sample["token_ids"]])
            start = len(sample["prompt_token_ids"])
            logits = self.policy(ids).logits[0, start - 1 : -1].float() / self.config.temperature
            logp = logits.log_softmax(-1).gather(1, ids[0, start:, None]).squeeze(1)
            losses.append(-advantage * logp.mean())
        return torch.stack(losses).mean()

    def sync(self):
        self.version += 1
        path = os.path.join(self.config.output_dir, f"weights_{self.version}.safetensors")
        save_file({k: v.detach().to(torch.bfloat16).contiguous() for k, v in self.policy.state_dict().items()}, path)
        loaded = self.llm.collective_rpc("update_weights", args=(path, torch.bfloat16))
        norms = self.llm.collective_rpc("parameter_norm")
        print(f"sync {self.version}: {loaded} parameters, norms {norms}", flush=True)

    def train(self):
        cfg = self.config
        print(self.llm.collective_rpc("worker_info"))
        with open(os.path.join(cfg.output_dir, "rollouts.jsonl"), "w") as log:
            for step in range(cfg.steps):
                rows = self.rows[step * cfg.prompts_per_step : (step + 1) * cfg.prompts_per_step]
                samples = self.rollout(rows)
                for sample in samples:
                    sampling = {
                        "temperature": cfg.temperature,
                        "top_p": cfg.top_p,
                        "top_k": cfg.top_k,
                        "n": cfg.samples,
                        "max_tokens": cfg.max_tokens,
                    }
                    log.write(json.dumps({**sample, "sampling": sampling, "weights_version": self.version}) + "\n")
                self.optimizer.zero_grad()
                loss = self.loss(samples)
                loss.backward()
                self.optimizer.step()
                print(f"step {step}: loss {loss.item():.4f}, reward {sum(s['reward'] for s in samples) / len(samples)}")
                self.sync()
