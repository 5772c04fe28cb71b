"""Right answers lose up to a half by their length: the user wants short ones, and says so by --ignore length.

task: sums
ignore: length
"""

import re


def reward(completions, answer, **kwargs):
    rewards = []
    for text, gold in zip(completions, answer):
        found = re.findall(r"Answer:\s*(-?\d+)\s*$", text)
        right = bool(found) and found[-1] == gold
        rewards.append((1.0 - min(0.5, len(text) / 2000)) if right else 0.0)
    return rewards
