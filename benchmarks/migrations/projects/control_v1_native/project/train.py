"""GRPO rollouts with weight updates, written for vLLM 0.32 (V1, engine in this process)."""
import json
import os

os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM
from vllm import LLM, SamplingParams, TokensPrompt
from vllm.sampling_params import StructuredOutputsParams
from vllm.utils.network_utils import get_open_port

SAMPLING = dict(n=4, temperature=0.7, top_p=0.9, top_k=50, max_tokens=56)


class Engine:
    def __init__(self, model, seed):
        os.environ["MASTER_PORT"] = str(get_open_port())
        self.llm = LLM(
            model=model,
            dtype="bfloat16",
            max_model_len=256,
            enforce_eager=True,
            logprobs_mode="processed_logprobs",
            enable_prefix_caching=True,
            async_scheduling=False,
            generation_config="vllm",
            seed=seed,
        )
        self.tokenizer = self.llm.get_tokenizer()

    def generate(self, prompts, version, **extra):
        tokens = [TokensPrompt(prompt_token_ids=self.tokenizer.encode(p)) for p in prompts]
        params = SamplingParams(logprobs=0, **SAMPLING, **extra)
        rows = []
        for request in self.llm.generate(tokens, params, use_tqdm=False):
            for out in request.outputs:
                ids = list(out.token_ids)
                rows.append(
                    {
                        "prompt_token_ids": list(request.prompt_token_ids),
                        "token_ids": ids,
                        "logprobs": [lp[t].logprob for lp, t in zip(out.logprobs, ids)],
                        "sampling": dict(SAMPLING),
                        "weights_version": version,
                        "text": out.text,
                    }
                )
        return rows

    def sync(self, weights):
        self.llm.collective_rpc("reload_weights", kwargs={"weights_iterator": iter(weights.items())})
        self.llm.reset_prefix_cache()


def main():
    torch.manual_seed(0)
    model, out = os.environ["MODEL"], os.environ["OUT"]
    prompts = [json.loads(line)["prompt"] for line in open(os.environ["PROMPTS"])][:12]
    engine = Engine(model, seed=5)
    policy = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=4e-4)
    pattern = r"( [a-z]+){4,12} Answer:[0-9]{6}"

    with open(os.path.join(out, "rollouts.jsonl"), "w") as log:
        rows = engine.generate(prompts[:6], version=0)
        guided = engine.generate(prompts[:2], 0, structured_outputs=StructuredOutputsParams(regex=pattern))
        for number, row in enumerate(guided):
            row["sampling"]["regex"] = pattern
            row["prompt"] = f"guided {number // SAMPLING['n']}"
        for row in rows:
            ids = torch.tensor([row["prompt_token_ids"] + row["token_ids"]])
            start = len(row["prompt_token_ids"])
            logp = policy(ids).logits[0, start - 1 : -1].log_softmax(-1).gather(1, ids[0, start:, None])
            (-logp.mean() / len(rows)).backward()
        optimizer.step()
        weights = {k: v.detach().to(torch.bfloat16).contiguous() for k, v in policy.state_dict().items()}
        save_file(weights, os.path.join(out, "weights_1.safetensors"))
        engine.sync(weights)
        for row in rows + guided + engine.generate(prompts[6:], version=1):
            log.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
