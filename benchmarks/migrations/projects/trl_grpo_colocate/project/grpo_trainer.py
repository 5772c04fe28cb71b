import json
import os
from unittest.mock import patch

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed

from import_utils import is_vllm_available

if is_vllm_available():
    from vllm import LLM, SamplingParams


def selective_log_softmax(logits, index):
    return torch.gather(logits.log_softmax(-1), dim=-1, index=index.unsqueeze(-1)).squeeze(-1)


class GRPOTrainer:
    def __init__(self, model, reward_funcs, args, train_dataset):
        self.args = args
        self.reward_funcs = reward_funcs
        self.train_dataset = train_dataset
        set_seed(args.seed)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model_name = model
        self.processing_class = AutoTokenizer.from_pretrained(model, padding_side="left")
        self.model = AutoModelForCausalLM.from_pretrained(model, torch_dtype=torch.float32).to(self.device)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=args.learning_rate)
        self.use_vllm = args.use_vllm
        self._last_loaded_step = 0

        if self.use_vllm:
            if not is_vllm_available():
                raise ImportError("vLLM is not available and `use_vllm` is set to True.")
            vllm_device = self.args.vllm_device
            if vllm_device == "auto":
                vllm_device = "cuda:0" if torch.cuda.is_available() else "cpu"
            # vLLM is not compatible with accelerate. So we need to patch it to make sure we can (1) place the vLLM
            # model on the desired device (world_size_patch) and (2) avoid a test that is not designed for our
            # setting (profiling_patch).
            world_size_patch = patch("torch.distributed.get_world_size", return_value=1)
            profiling_patch = patch(
                "vllm.worker.worker.Worker._assert_memory_footprint_increased_during_profiling", return_value=None
            )
            with world_size_patch, profiling_patch:
                self.llm = LLM(
                    model=model,
                    device=vllm_device,
                    gpu_memory_utilization=self.args.vllm_gpu_memory_utilization,
                    dtype=self.args.vllm_dtype,
                    max_model_len=self.args.vllm_max_model_len,
                    enforce_eager=True,
                    swap_space=0,
                    seed=args.seed,
                )
            self.sampling_params = SamplingParams(
                n=self.args.num_generations,
                temperature=self.args.temperature,
                top_p=self.args.top_p,
                top_k=self.args.top_k,
                max_tokens=self.args.max_completion_length,
                logprobs=0,
            )

    def _move_model_to_vllm(self):
        state_dict = {k: v.to(torch.bfloat16) for k, v in self.model.state_dict().items()}
        llm_model = self.llm.llm_engine.model_executor.driver_worker.model_runner.model
        llm_model.load_weights(state_dict.items())

    def _generate(self, inputs):
        prompts = [x["prompt"] for x in inputs]
        prompt_inputs = self.processing_class(prompts, add_special_tokens=False)["input_ids"]
        if self.args.max_prompt_length is not None:
            prompt_inputs = [ids[-self.args.max_prompt_length :] for ids in prompt_inputs]
        outputs = self.llm.generate(
            sampling_params=self.sampling_params, prompt_token_ids=prompt_inputs, use_tqdm=False
        )
        samples = []
        for x, request in zip(inputs, outputs):
            for completion in request.outputs:
                ids = list(completion.token_ids)
                samples.append(
                    {
                        "prompt_ids": list(request.prompt_token_ids),
                        "completion_ids": ids,
                        "sampling_logps": [next(iter(lp.values())).logprob for lp in completion.logprobs],
                        "text": completion.text,
                        "answer": x["answer"],
                    }
                )
        return samples

    def _get_per_token_logps(self, sample):
        ids = torch.tensor([sample["prompt_ids"] + sample["completion_ids"]], device=self.device)
        n = len(sample["completion_ids"])
        logits = self.model(input_ids=ids).logits[:, -n - 1 : -1] / self.args.temperature
        return selective_log_softmax(logits, ids[:, -n:])[0]

    def _step(self, step):
        first = step * self.args.per_device_prompts
        inputs = [
            self.train_dataset[i % len(self.train_dataset)]
            for i in range(first, first + self.args.per_device_prompts)
        ]
        # First, have main process load weights if needed
        if step != self._last_loaded_step:
            self._move_model_to_vllm()
            self._last_loaded_step = step
        samples = self._generate(inputs)

        texts = [s["text"] for s in samples]
        answers = [s["answer"] for s in samples]
        rewards = torch.stack([torch.tensor(f(completions=texts, answer=answers)) for f in self.reward_funcs]).sum(0)
        grouped = rewards.view(-1, self.args.num_generations)
        advantages = ((grouped - grouped.mean(1, keepdim=True)) / (grouped.std(1, keepdim=True) + 1e-4)).flatten()

        self.optimizer.zero_grad()
        total = 0.0
        for sample, advantage in zip(samples, advantages):
            logps = self._get_per_token_logps(sample)
            old = torch.tensor(sample["sampling_logps"], device=self.device)
            ratio = torch.exp(logps - old)
            clipped = ratio.clamp(1 - self.args.epsilon, 1 + self.args.epsilon)
            loss = -torch.min(ratio * advantage, clipped * advantage).mean() / len(samples)
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self._log_rollouts(samples, step)
        return {"step": step, "loss": total, "reward": rewards.mean().item()}

    def _log_rollouts(self, samples, step):
        sampling = {
            "temperature": self.args.temperature,
            "top_p": self.args.top_p,
            "top_k": self.args.top_k,
            "max_tokens": self.args.max_completion_length,
            "n": self.args.num_generations,
        }
        with open(os.path.join(self.args.output_dir, "rollouts.jsonl"), "a") as f:
            for s in samples:
                row = {
                    "prompt_token_ids": s["prompt_ids"],
                    "token_ids": s["completion_ids"],
                    "logprobs": s["sampling_logps"],
                    "sampling": sampling,
                    "weights_version": step,
                    "text": s["text"],
                }
                f.write(json.dumps(row) + "\n")

    def train(self):
        with open(os.path.join(self.args.output_dir, "train_log.jsonl"), "w") as log:
            for step in range(self.args.max_steps):
                stats = self._step(step)
                print(stats, flush=True)
                log.write(json.dumps(stats) + "\n")
                checkpoint = {k: v.to(torch.bfloat16).contiguous() for k, v in self.model.state_dict().items()}
                save_file(checkpoint, os.path.join(self.args.output_dir, f"weights_{step + 1}.safetensors"))


if __name__ == "__main__":
    raise SystemExit("run train_grpo.py")
