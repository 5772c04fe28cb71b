"""Rollouts of the served policy: token ids and log-probabilities of the sampled tokens."""

import argparse
import json
import os
import time

from openai import OpenAI
from transformers import AutoTokenizer

ROLLOUT = {"temperature": 0.7, "top_p": 0.9, "top_k": 50, "max_tokens": 64, "n": 4, "stop": [" one", "Answer:0"]}
LABELS = ["good", "bad", "to"]


def wait(client, pid, seconds=240):
    for _ in range(seconds):
        try:
            return client.models.list()
        except Exception:
            os.kill(pid, 0)  # no such process: the server has ended
            time.sleep(1)
    raise SystemExit("the server does not answer")


def rows_of(response, group, prompt_ids, sampling):
    for choice in response.choices:
        yield {
            "prompt": group,
            "prompt_token_ids": prompt_ids,
            "token_ids": [int(token.removeprefix("token_id:")) for token in choice.logprobs.tokens],
            "logprobs": choice.logprobs.token_logprobs,
            "sampling": sampling,
            "weights_version": 0,
            "text": choice.text,
        }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--server-pid", type=int, required=True)
    args = parser.parse_args()
    client = OpenAI(base_url=args.base_url, max_retries=0, timeout=120)
    wait(client, args.server_pid)

    tokenizer = AutoTokenizer.from_pretrained(os.environ["MODEL"])
    with open(os.environ["PROMPTS"]) as f:
        prompts = [json.loads(line)["prompt"] for line in f][:8]
    common = {"return_tokens_as_token_ids": True, "skip_special_tokens": False}

    with open(os.path.join(os.environ["OUT"], "rollouts.jsonl"), "w") as out:
        for number, prompt in enumerate(prompts):
            ids = tokenizer.encode(prompt)
            response = client.completions.create(
                model="policy",
                prompt=ids,
                n=ROLLOUT["n"],
                best_of=ROLLOUT["n"],
                temperature=ROLLOUT["temperature"],
                top_p=ROLLOUT["top_p"],
                max_tokens=ROLLOUT["max_tokens"],
                stop=ROLLOUT["stop"],
                logprobs=1,
                extra_body={"top_k": ROLLOUT["top_k"], "include_stop_str_in_output": True, **common},
            )
            for row in rows_of(response, f"rollout {number}", ids, ROLLOUT):
                out.write(json.dumps(row) + "\n")

        # the same policy as its own judge: one of three words
        for number, prompt in enumerate(prompts):
            ids = tokenizer.encode(prompt)
            response = client.completions.create(
                model="policy",
                prompt=ids,
                temperature=1.0,
                max_tokens=16,
                logprobs=1,
                extra_body={"guided_choice": LABELS, **common},
            )
            judged = {"temperature": 1.0, "max_tokens": 16, "choices": LABELS}
            for row in rows_of(response, f"label {number}", ids, judged):
                row["text"] = tokenizer.decode(row["token_ids"], skip_special_tokens=True)
                out.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
