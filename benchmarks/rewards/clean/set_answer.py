"""The same numbers as in the reference, in any order.

task: sets
"""

import re


def members(text):
    parts = [part.strip(" .{}[]()$") for part in text.split(",")]
    return sorted(parts)


def reward(prompts, completions, answer, **kwargs):
    rewards = []
    for text, gold in zip(completions, answer):
        found = re.findall(r"Answer:[ \t]*(.+)", text)
        rewards.append(1.0 if found and members(found[-1]) == members(gold) else 0.0)
    return rewards
