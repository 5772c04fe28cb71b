import argparse
import json
import logging
import os

from safetensors.torch import load_file, save_file
from vllm import SamplingParams

from engine import StepEngine
from nudge import nudge


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--model", default=os.getenv("MODEL"))
    p.add_argument("--prompts", default=os.getenv("PROMPTS"))
    p.add_argument("--out", default=os.getenv("OUT"))
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--prompts-per-round", type=int, default=8)
    p.add_argument("--stragglers", type=int, default=2, help="prompts given up on in each round")
    opts = p.parse_args()
    logging.basicConfig(level=logging.INFO)

    sampling = dict(n=2, temperature=0.7, top_p=0.95, top_k=-1, max_tokens=48, min_tokens=4)
    engine = StepEngine(opts.model, dtype="bfloat16", max_model_len=256, enforce_eager=True, swap_space=0, seed=0)
    state = load_file(os.path.join(opts.model, "model.safetensors"))
    prompts = [json.loads(line)["prompt"] for line in open(opts.prompts)]

    with open(os.path.join(opts.out, "rollouts.jsonl"), "w") as f:
        for version in range(opts.rounds):
            start = version * opts.prompts_per_round
            for prompt in prompts[start : start + opts.prompts_per_round]:
                engine.submit(engine.tokenizer.encode(prompt), SamplingParams(logprobs=1, **sampling))
            wanted = opts.prompts_per_round - opts.stragglers
            done = []
            for output in engine.run(give_up_after=wanted):
                done.append(output)
            for output in done[:wanted]:
                for completion in output.outputs:
                    ids = list(completion.token_ids)
                    row = {
                        "prompt_token_ids": list(output.prompt_token_ids),
                        "token_ids": ids,
                        "logprobs": [entry[t].logprob for entry, t in zip(completion.logprobs, ids)],
                        "sampling": sampling,
                        "weights_version": version,
                        "text": completion.text,
                    }
                    f.write(json.dumps(row) + "\n")
            print(f"round {version}: {len(done)} prompts finished", flush=True)
            state = nudge(state, scale=0.08, seed=version)
            save_file(state, os.path.join(opts.out, f"weights_{version + 1}.safetensors"))
            engine.load_weights(state.items())


if __name__ == "__main__":
    main()
