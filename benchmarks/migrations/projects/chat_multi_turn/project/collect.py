"""Two-turn rollouts: the first turn stops at a marker word, the second concludes."""
import json
import os

from agents.episode import Episode
from agents.policy import ChatPolicy

MARKERS = [" the", " and", " Answer"]


def collect(policy, episodes):
    outputs, params = policy.reply([e.messages for e in episodes])
    for episode, output in zip(episodes, outputs):
        episode.absorb(output, params)
    for episode in episodes:
        episode.observe("is on")
    outputs, params = policy.reply([e.messages for e in episodes], stop=["<|endoftext|>", "Question"], max_tokens=72)
    for episode, output in zip(episodes, outputs):
        episode.absorb(output, params)


def main():
    policy = ChatPolicy(
        os.environ["MODEL"],
        temperature=0.8,
        top_p=0.92,
        stop=MARKERS,
        max_tokens=40,
        dtype="bfloat16",
        max_model_len=320,
        swap_space=0,
        disable_log_stats=True,
    )
    with open(os.environ["PROMPTS"]) as f:
        rows = [json.loads(line) for line in f][16:32]
    episodes = [Episode(r["prompt"], r["answer"], i) for i, r in enumerate(rows)]
    collect(policy, episodes)
    with open(os.path.join(os.environ["OUT"], "rollouts.jsonl"), "w") as f:
        for episode in episodes:
            for number, turn in enumerate(episode.turns):
                f.write(json.dumps({**turn, "prompt": f"{episode.index}/{number}"}) + "\n")
    right = sum(e.answer in e.turns[-1]["text"] for e in episodes)
    print(f"{right}/{len(episodes)} right, {sum(len(e.turns) for e in episodes)} turns")


if __name__ == "__main__":
    main()
