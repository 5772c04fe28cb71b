import json
import os
from collections import Counter

import yaml
from vllm import LLM, SamplingParams

from constraints import choice_constraint, regex_constraint


def record(request, completion, stage, sampling):
    ids = list(completion.token_ids)
    return {
        "prompt_token_ids": list(request.prompt_token_ids),
        "token_ids": ids,
        # of the constrained distribution, where there is a constraint
        "logprobs": [step[t].logprob for step, t in zip(completion.logprobs, ids)],
        "sampling": sampling,
        "weights_version": 0,
        "stage": stage,
        "text": completion.text,
    }


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "judge.yaml")) as f:
        cfg = yaml.safe_load(f)
    with open(os.environ["PROMPTS"]) as f:
        prompts = [json.loads(line)["prompt"] for line in f][:12]

    llm = LLM(model=os.environ["MODEL"], **cfg["engine"])
    rollouts = []

    # 1. free reasoning, trained on
    free = cfg["free"]
    params = SamplingParams(n=2, logprobs=0, **free)
    for request in llm.generate(prompts, params, use_tqdm=False):
        rollouts += [record(request, c, "free", {**free, "n": 2}) for c in request.outputs]

    # 2. short solutions that the parser is sure to understand
    solve = cfg["solve"]
    params = SamplingParams(
        temperature=solve["temperature"],
        top_p=solve["top_p"],
        max_tokens=solve["max_tokens"],
        logprobs=0,
        guided_decoding=regex_constraint(solve["regex"]),
    )
    solved = llm.generate(prompts, params, use_tqdm=False)
    rollouts += [record(r, r.outputs[0], "solve", solve) for r in solved]

    # 3. the policy's own verdict
    verdict = cfg["verdict"]
    judge_prompts = [p + r.outputs[0].text + " that is" for p, r in zip(prompts, solved)]
    params = SamplingParams(temperature=verdict["temperature"], max_tokens=verdict["max_tokens"], logprobs=0)
    params.guided_decoding = choice_constraint(verdict["choices"])
    judged = llm.generate(judge_prompts, params, use_tqdm=False)
    rollouts += [record(r, r.outputs[0], "verdict", verdict) for r in judged]

    print(Counter(r["text"] for r in rollouts if r["stage"] == "verdict"))
    with open(os.path.join(os.environ["OUT"], "rollouts.jsonl"), "w") as f:
        f.writelines(json.dumps(r) + "\n" for r in rollouts)


if __name__ == "__main__":
    main()
