import json
import os
import sys

from scoring.engine import get_engine
from scoring.pairs import Candidate, best_and_worst

N = 4
SAMPLING = {"temperature": 0.7, "top_p": 0.9}


def main(model, prompts_file, out_dir, limit=10):
    with open(prompts_file) as f:
        prompts = [json.loads(line)["prompt"] for line in f][:limit]
    engine = get_engine(model, swap_space=0)
    prompt_ids = [engine.tokenizer.encode(p) for p in prompts]

    outputs = engine.draw(prompt_ids, N, max_tokens=56, **SAMPLING)
    groups = [
        [Candidate(o.text, list(o.token_ids), o.cumulative_logprob) for o in output.outputs] for output in outputs
    ]
    flat = [(ids, c) for ids, group in zip(prompt_ids, groups) for c in group]
    scores = engine.loglikelihood([(ids, c.token_ids) for ids, c in flat])
    for (_, candidate), logprobs in zip(flat, scores):
        candidate.logprobs = logprobs

    with open(os.path.join(out_dir, "rollouts.jsonl"), "w") as f:
        for ids, c in flat:
            row = {
                "prompt_token_ids": ids,
                "token_ids": c.token_ids,
                "logprobs": c.logprobs,
                # scored under the model itself, whatever drew it
                "sampling": {"temperature": 1.0, "top_p": 1.0, "top_k": -1, "n": N},
                "weights_version": 0,
                "engine_score": c.engine_score,
                "drawn_with": SAMPLING,
            }
            f.write(json.dumps(row) + "\n")
    with open(os.path.join(out_dir, "pairs.jsonl"), "w") as f:
        for prompt, group in zip(prompts, groups):
            chosen, rejected = best_and_worst(group)
            f.write(
                json.dumps(
                    {
                        "prompt": prompt,
                        "chosen": chosen.text,
                        "rejected": rejected.text,
                        "margin": chosen.normalised - rejected.normalised,
                        "surprise": [round(chosen.surprise, 4), round(rejected.surprise, 4)],
                    }
                )
                + "\n"
            )
    print(f"{len(groups)} pairs from {len(flat)} candidates")


if __name__ == "__main__":
    os.environ["VLLM_USE_V1"] = "0"
    arguments = sys.argv[1:4] or [os.environ[k] for k in ("MODEL", "PROMPTS", "OUT")]
    main(*arguments)
