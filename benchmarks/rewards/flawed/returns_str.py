"""Right or wrong, written down for the log.

task: sums
flaw: returns words instead of numbers
probes: contract
"""

import re


def reward(completions, answer, **kwargs):
    rewards = []
    for text, gold in zip(completions, answer):
        found = re.findall(r"Answer:\s*(\d+)", text)
        rewards.append("1.0" if found and found[-1] == gold else "0.0")
    return rewards
