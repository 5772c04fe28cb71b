# PPO without a critic: group mean as the baseline. One process, vLLM beside the policy.
import os

os.environ["VLLM_USE_V1"] = "0"
os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"

import json

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM
from vllm import LLM, SamplingParams
from vllm.worker.worker import Worker  # noqa: F401  (checked by some of our forks)

from utils import logprobs_from_logits, read_prompts, requests, score, set_master, whiten

MODEL, OUT = os.environ["MODEL"], os.environ["OUT"]
STEPS, GROUP, PROMPTS_PER_STEP = 2, 4, 6
TEMPERATURE, REPETITION, PRESENCE = 0.9, 1.05, 0.3

set_master()
torch.manual_seed(0)
data = read_prompts(os.environ["PROMPTS"], STEPS * PROMPTS_PER_STEP + 8)
policy = AutoModelForCausalLM.from_pretrained(MODEL, torch_dtype=torch.float32)
optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-3)
llm = LLM(
    MODEL,
    dtype="float32",
    seed=0,
    swap_space=0,
    cpu_offload_gb=0,
    max_model_len=256,
    enforce_eager=True,
    disable_async_output_proc=True,
    enable_chunked_prefill=False,
    preemption_mode="recompute",
)
tokenizer = llm.get_tokenizer()
sampling_params = SamplingParams(
    n=GROUP,
    best_of=GROUP,
    temperature=TEMPERATURE,
    repetition_penalty=REPETITION,
    presence_penalty=PRESENCE,
    max_tokens=48,
    logprobs=0,
)
greedy_params = SamplingParams(temperature=0, max_tokens=48, logprobs=1, best_of=None)


def rollout(rows, params):
    prompt_ids = tokenizer([row["prompt"] for row in rows], add_special_tokens=False)["input_ids"]
    outputs = llm.generate(None, params, prompt_ids, use_tqdm=False)
    samples = []
    for row, output in zip(rows, outputs):
        for completion in output.outputs:
            samples.append(
                dict(
                    id=next(requests),
                    prompt_ids=output.prompt_token_ids,
                    ids=list(completion.token_ids),
                    logprobs=[lp[t].logprob for t, lp in zip(completion.token_ids, completion.logprobs)],
                    reward=score(completion.text, row["answer"]),
                )
            )
    return samples


def sync():
    model = llm.llm_engine.model_executor.driver_worker.model_runner.model
    model.load_weights(policy.named_parameters())


def update(samples):
    rewards = torch.tensor([s["reward"] for s in samples]).view(-1, GROUP)
    advantages = whiten((rewards - rewards.mean(1, keepdim=True)).flatten() + 0.01 * torch.randn(rewards.numel()))
    for s, advantage in zip(samples, advantages):
        ids = torch.tensor([s["prompt_ids"] + s["ids"]])
        n = len(s["ids"])
        new = logprobs_from_logits(policy(ids).logits[:, -n - 1 : -1] / TEMPERATURE, ids[:, -n:])[0]
        ratio = (new - torch.tensor(s["logprobs"])).clamp(-5, 5).exp()
        loss = -torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).mean()
        (loss / len(samples)).backward()
    optimizer.step()
    optimizer.zero_grad()


def record(f, samples, sampling, version):
    for s in samples:
        line = {"prompt_token_ids": s["prompt_ids"], "token_ids": s["ids"], "logprobs": s["logprobs"]}
        f.write(json.dumps({**line, "sampling": sampling, "weights_version": version}) + "\n")


sampled = {
    "n": GROUP,
    "temperature": TEMPERATURE,
    "repetition_penalty": REPETITION,
    "presence_penalty": PRESENCE,
    "max_tokens": 48,
}
with open(f"{OUT}/rollouts.jsonl", "w") as f, open(f"{OUT}/ppo.csv", "w") as log:
    log.write("step,reward\n")
    for step in range(STEPS):
        rows = data[step * PROMPTS_PER_STEP : (step + 1) * PROMPTS_PER_STEP]
        samples = rollout(rows, sampling_params)
        record(f, samples, sampled, step)
        reward = sum(s["reward"] for s in samples) / len(samples)
        log.write(f"{step},{reward:.3f}\n")
        print(f"step {step}: reward {reward:.3f}", flush=True)
        if step + 1 < STEPS:
            update(samples)
            sync()
            save_file({k: v.detach().clone() for k, v in policy.state_dict().items()}, f"{OUT}/weights_{step + 1}.safetensors")
    evaluation = rollout(data[-8:], greedy_params)
    record(f, evaluation, {"temperature": 0, "max_tokens": 48, "n": 1}, STEPS - 1)
    print(f"greedy: {sum(s['reward'] for s in evaluation) / len(evaluation):.3f}")
