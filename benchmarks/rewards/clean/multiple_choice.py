"""The letter behind the last "Answer:", small or capital, in brackets or not.

task: choices
"""

import re


def reward(completions, answer, **kwargs):
    rewards = []
    for text, gold in zip(completions, answer):
        found = re.findall(r"Answer:\s*\(?\s*([A-Da-d])\s*\)?\s*\.?\s*$", text, re.MULTILINE)
        rewards.append(1.0 if found and found[-1].upper() == gold.upper() else 0.0)
    return rewards
