"""Greedy and beam-search accuracy of a checkpoint between two training stages."""
import dataclasses
import json
import os

from vllm import LLM, EngineArgs, SamplingParams
from vllm.sampling_params import BeamSearchParams
from vllm.utils import FlexibleArgumentParser

from tasks import Columns


def parse_args():
    parser = FlexibleArgumentParser(description=__doc__)
    parser = EngineArgs.add_cli_args(parser)
    group = parser.add_argument_group("evaluation")
    group.add_argument("--prompts", required=True)
    group.add_argument("--output-dir", required=True)
    group.add_argument("--limit", type=int, default=8)
    group.add_argument("--beam-width", type=int, default=3)
    group.add_argument("--max-new-tokens", type=int, default=44)
    return parser.parse_args()


def greedy(llm, task, max_tokens):
    params = SamplingParams(temperature=0.0, max_tokens=max_tokens, logprobs=1, best_of=1)
    outputs = llm.generate(task.prompts, params)
    rows, correct = [], 0.0
    for index, request in enumerate(outputs):
        out = request.outputs[0]
        correct += task.score(index, out.text)
        ids = list(out.token_ids)
        rows.append(
            {
                "prompt_token_ids": list(request.prompt_token_ids),
                "token_ids": ids,
                "logprobs": [lp[t].logprob for lp, t in zip(out.logprobs, ids)],
                "sampling": {"temperature": 0.0, "top_p": 1.0, "top_k": -1},
                "weights_version": 0,
                "decoder": "greedy",
            }
        )
    return correct / len(outputs), rows


def beam(llm, task, width, max_tokens):
    params = BeamSearchParams(beam_width=width, max_tokens=max_tokens, temperature=0.0, length_penalty=1.0)
    tokenizer = llm.get_tokenizer()
    outputs = llm.beam_search([{"prompt": p} for p in task.prompts], params)
    rows, correct = [], 0.0
    for index, output in enumerate(outputs):
        prompt_ids = tokenizer.encode(task.prompts[index])
        for rank, sequence in enumerate(output.sequences):
            ids = list(sequence.tokens)[len(prompt_ids) :]
            if rank == 0:
                correct += task.score(index, tokenizer.decode(ids))
            rows.append(
                {
                    "prompt_token_ids": prompt_ids,
                    "token_ids": ids,
                    "logprobs": [lp[t].logprob for lp, t in zip(sequence.logprobs, ids)],
                    "sampling": {"temperature": 1.0, "top_p": 1.0, "top_k": -1},
                    "weights_version": 0,
                    "decoder": "beam",
                    "rank": rank,
                    "cumulative_logprob": sequence.cum_logprob,
                }
            )
    return correct / len(outputs), rows


def main():
    args = parse_args()
    engine_args = EngineArgs.from_cli_args(args)
    llm = LLM(**dataclasses.asdict(engine_args))
    task = Columns(args.prompts, args.limit)

    accuracy = {}
    accuracy["greedy"], rows = greedy(llm, task, args.max_new_tokens)
    accuracy["beam"], beam_rows = beam(llm, task, args.beam_width, args.max_new_tokens)
    with open(os.path.join(args.output_dir, "rollouts.jsonl"), "w") as f:
        for row in rows + beam_rows:
            f.write(json.dumps(row) + "\n")
    with open(os.path.join(args.output_dir, "accuracy.json"), "w") as f:
        json.dump(accuracy, f, indent=1)
    print(accuracy)


if __name__ == "__main__":
    main()
