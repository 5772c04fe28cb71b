import argparse
import json
import logging

from bon.config import BonConfig, DecodingConfig
from bon.sampler import BestOfNSampler


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--prompts", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--num-prompts", type=int, default=12)
    parser.add_argument("--keep", type=int, default=2)
    parser.add_argument("--best-of", type=int, default=8)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO)

    config = BonConfig(
        model=args.model,
        prompts=args.prompts,
        output=args.output,
        num_prompts=args.num_prompts,
        decoding=DecodingConfig(keep=args.keep, best_of=args.best_of),
    )
    with open(config.prompts) as f:
        rows = [json.loads(line) for line in f][: config.num_prompts]
    sampler = BestOfNSampler(config)
    records = sampler.sample([row["prompt"] for row in rows])
    with open(config.output, "w") as f:
        for record in records:
            f.write(json.dumps(record) + "\n")
    best = [r for r in records if r["rank"] == 0]
    right = sum(row["answer"] in r["text"] for row, r in zip(rows, best))
    print(f"{len(records)} completions kept; best one right {right}/{len(rows)}")


if __name__ == "__main__":
    main()
