"""TRL's form with conversations: completions are messages.

task: chat
"""

import re


def reward(prompts, completions, answer, **kwargs):
    contents = [completion[0]["content"] for completion in completions]
    rewards = []
    for text, gold in zip(contents, answer):
        found = re.findall(r"Answer:\s*([-+]?[\d,]+)", text)
        rewards.append(1.0 if found and int(found[-1].replace(",", "") or 0) == int(gold) else 0.0)
    return rewards
