import json
import os

from tinylm import LLM, SamplingParams

VLLM_USE_V1 = os.environ.get("TINYLM_V1", "0")  # a name of ours


def no_articles(banned):
    def processor(token_ids, logits):
        logits[banned] = float("-inf")
        return logits

    return processor


def main():
    llm = LLM(os.environ["MODEL"], seed=0, swap_space=0)
    banned = [llm.tokenizer.encode(word)[0] for word in (" the", " of")]
    params = SamplingParams(
        n=2, best_of=2, temperature=0.8, top_k=20, max_tokens=40, logprobs=1, logits_processors=[no_articles(banned)]
    )
    with open(os.environ["PROMPTS"]) as f:
        prompts = [json.loads(line)["prompt"] for line in f][:4]
    ids = [llm.tokenizer.encode(p) for p in prompts]
    rows = llm.generate(prompt_token_ids=ids, sampling_params=params)
    llm.driver_worker.model_runner.model.eval()
    sampling = {"temperature": 0.8, "top_k": 20, "n": 2, "max_tokens": 40, "banned_token_ids": banned}
    with open(os.path.join(os.environ["OUT"], "rollouts.jsonl"), "w") as f:
        for row in rows:
            f.write(json.dumps({**row, "sampling": sampling, "weights_version": 0}) + "\n")


if __name__ == "__main__":
    main()
