"""Loglikelihood, greedy and multiple-choice scores of a checkpoint."""
import json
import os

from harness.compat import FlexibleArgumentParser, SamplingParams, choice, generate_tokens, make_llm


def main():
    parser = FlexibleArgumentParser()
    parser.add_argument("--model", default=os.environ.get("MODEL"))
    parser.add_argument("--limit", type=int, default=6)
    args = parser.parse_args()
    llm = make_llm(args.model)
    tokenizer = llm.get_tokenizer()
    with open(os.environ["PROMPTS"]) as f:
        ids = [tokenizer.encode(json.loads(line)["prompt"]) for line in f][: args.limit]
    options = ["right", "wrong"]

    greedy = generate_tokens(llm, ids, SamplingParams(temperature=0.0, max_tokens=40, logprobs=1))
    rows = []
    for output in greedy:
        out = output.outputs[0]
        tokens = list(out.token_ids)
        logprobs = [entry[t].logprob for entry, t in zip(out.logprobs, tokens)]
        rows.append((output, out, logprobs, {"temperature": 0.0, "max_tokens": 40}))

    full = [list(o.prompt_token_ids) + list(o.outputs[0].token_ids) for o in greedy]
    scored = generate_tokens(llm, full, SamplingParams(temperature=0.0, max_tokens=1, prompt_logprobs=1))
    for output, again in zip(greedy, scored):
        tokens = list(output.outputs[0].token_ids)
        entries = again.prompt_logprobs[len(output.prompt_token_ids) :]
        logprobs = [entry[t].logprob for entry, t in zip(entries, tokens)]
        rows.append((output, output.outputs[0], logprobs, {"temperature": 1.0}))

    chosen = generate_tokens(llm, ids, SamplingParams(temperature=0.0, max_tokens=8, logprobs=0, **choice(options)))
    for output in chosen:
        out = output.outputs[0]
        logprobs = [entry[t].logprob for entry, t in zip(out.logprobs, out.token_ids)]
        rows.append((output, out, logprobs, {"temperature": 0.0, "choices": options}))

    with open(os.path.join(os.environ["OUT"], "rollouts.jsonl"), "w") as f:
        for output, out, logprobs, sampling in rows:
            row = {
                "prompt_token_ids": list(output.prompt_token_ids),
                "token_ids": list(out.token_ids),
                "logprobs": logprobs,
                "sampling": sampling,
                "weights_version": 0,
                "text": out.text,
            }
            f.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
