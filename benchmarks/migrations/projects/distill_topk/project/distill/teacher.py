"""Top-k teacher distributions over the teacher's own samples."""
from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from functools import partial

import vllm
from vllm.sequence import Logprob

from distill.student import Student

TOP_K_LOGPROBS = 20  # vLLM's default ceiling (max_logprobs)


@dataclass
class TeacherArgs:
    temperature: float = 0.8
    top_p: float = 0.95
    max_tokens: int = 48
    seed: int | None = None


make_teacher = partial(
    vllm.LLM,
    dtype="bfloat16",
    max_model_len=256,
    max_logprobs=TOP_K_LOGPROBS,
    enforce_eager=True,
    swap_space=0,
    num_lookahead_slots=0,
    seed=11,
)


def top_k(step: dict[int, Logprob]) -> list[tuple[int, float, int]]:
    """(token, log-probability, rank) of one position, likeliest first; excluded tokens are left out."""
    entries = [(token, entry.logprob, entry.rank) for token, entry in step.items()]
    return sorted((e for e in entries if e[1] > -1e4), key=lambda e: e[2])


def sample(llm: vllm.LLM, prompts: list[str], args: TeacherArgs):
    params = vllm.SamplingParams(**asdict(args), logprobs=TOP_K_LOGPROBS)
    for request in llm.generate(prompts, params, use_tqdm=False):
        completion = request.outputs[0]
        ids = list(completion.token_ids)
        distributions = [top_k(step) for step in completion.logprobs]
        yield {
            "prompt_token_ids": list(request.prompt_token_ids),
            "token_ids": ids,
            "logprobs": [step[t].logprob for step, t in zip(completion.logprobs, ids)],
            "sampling": {"temperature": args.temperature, "top_p": args.top_p, "top_k": -1},
            "weights_version": 0,
            "teacher": distributions,
        }


def main() -> None:
    model, prompts_path, out = (os.environ[k] for k in ("MODEL", "PROMPTS", "OUT"))
    with open(prompts_path) as f:
        prompts = [json.loads(line)["prompt"] for line in f][:24]
    llm = make_teacher(model)
    rows = list(sample(llm, prompts, TeacherArgs()))
    with open(os.path.join(out, "rollouts.jsonl"), "w") as f:
        for row in rows:
            f.write(json.dumps(row) + "\n")
    student = Student(model)
    for start in range(0, len(rows), 8):
        print(f"KL {student.step(rows[start : start + 8]):.4f}", flush=True)


if __name__ == "__main__":
    main()
