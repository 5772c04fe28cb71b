"""RAFT: sample, keep what the verifier accepts, fine-tune on it, repeat."""
import argparse
import json
import os
import re

os.environ.setdefault("VLLM_USE_V1", "0")

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM
from vllm import LLM, SamplingParams

from ban import BanTokens, ban_until

BANNED_WORDS = [" the", " of", " and", " to", " a"]
ANSWER = re.compile(r"Answer:((?:\s*\d)+)")


def accepted(text, answer):
    found = ANSWER.search(text)
    return bool(found) and re.sub(r"\s", "", found.group(1)) == answer


class Sampler:
    def __init__(self, args):
        self.args = args
        self.llm = LLM(
            args.model,
            dtype="bfloat16",
            max_model_len=256,
            enforce_eager=True,
            swap_space=0,
            disable_custom_all_reduce=True,
        )
        tok = self.llm.get_tokenizer()
        self.tok = tok
        self.banned = [tok.encode(w)[0] for w in BANNED_WORDS if len(tok.encode(w)) == 1]
        answer_mark = tok.encode(" Answer")[0]
        self.params = SamplingParams(
            n=args.k,
            temperature=args.temperature,
            top_p=args.top_p,
            max_tokens=64,
            logprobs=1,
            logits_processors=[BanTokens(self.banned), ban_until(answer_mark, [tok.eos_token_id])],
        )

    def __call__(self, rows, version):
        outputs = self.llm.generate([r["prompt"] for r in rows], sampling_params=self.params, use_tqdm=False)
        rollouts = []
        for row, request in zip(rows, outputs):
            for out in request.outputs:
                ids = list(out.token_ids)
                rollouts.append(
                    {
                        "prompt_token_ids": list(request.prompt_token_ids),
                        "token_ids": ids,
                        "logprobs": [lp[t].logprob for lp, t in zip(out.logprobs, ids)],
                        "sampling": {
                            "temperature": self.args.temperature,
                            "top_p": self.args.top_p,
                            "top_k": -1,
                            "n": self.args.k,
                            "banned_token_ids": self.banned,
                        },
                        "weights_version": version,
                        "accepted": accepted(out.text, row["answer"]),
                    }
                )
        return rollouts

    def load(self, state_dict):
        model = self.llm.llm_engine.model_executor.driver_worker.model_runner.model
        model.load_weights(state_dict.items())


def sft_step(policy, optimizer, rollouts):
    """One pass over the accepted completions."""
    policy.train()
    total = 0.0
    for r in rollouts:
        ids = torch.tensor([r["prompt_token_ids"] + r["token_ids"]])
        labels = ids.clone()
        labels[:, : len(r["prompt_token_ids"])] = -100
        logits = policy(ids).logits[:, :-1].float()
        loss = F.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
        (loss / len(rollouts)).backward()
        total += loss.item()
    torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return total / max(1, len(rollouts))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default=os.environ.get("MODEL"))
    parser.add_argument("--prompts", default=os.environ.get("PROMPTS"))
    parser.add_argument("--out", default=os.environ.get("OUT", "."))
    parser.add_argument("--iterations", type=int, default=2)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--k", type=int, default=4)
    parser.add_argument("--temperature", type=float, default=0.85)
    parser.add_argument("--top-p", type=float, default=0.95)
    parser.add_argument("--lr", type=float, default=3e-4)
    args = parser.parse_args()
    torch.manual_seed(0)

    rows = [json.loads(line) for line in open(args.prompts)]
    policy = AutoModelForCausalLM.from_pretrained(args.model, torch_dtype=torch.float32)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=args.lr)
    sampler = Sampler(args)

    with open(os.path.join(args.out, "rollouts.jsonl"), "w") as log:
        for it in range(args.iterations):
            batch = rows[it * args.batch : (it + 1) * args.batch]
            rollouts = sampler(batch, version=it)
            for r in rollouts:
                log.write(json.dumps(r) + "\n")
            kept = [r for r in rollouts if r["accepted"]]
            loss = sft_step(policy, optimizer, kept) if kept else float("nan")
            print(f"iteration {it}: kept {len(kept)}/{len(rollouts)}, loss {loss:.3f}", flush=True)
            weights = {k: v.detach().to(torch.bfloat16).contiguous() for k, v in policy.state_dict().items()}
            save_file(weights, os.path.join(args.out, f"weights_{it + 1}.safetensors"))
            sampler.load(weights)


if __name__ == "__main__":
    main()
