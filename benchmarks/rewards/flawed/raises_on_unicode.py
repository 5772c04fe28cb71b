"""Right or wrong, after the text was made plain.

task: sums
flaw: raises on letters that are not ASCII
probes: contract
"""

import re


def reward(completions, answer, **kwargs):
    rewards = []
    for text, gold in zip(completions, answer):
        plain = text.encode("ascii").decode()
        found = re.findall(r"Answer:\s*(\d+)", plain)
        rewards.append(float(bool(found) and found[-1] == gold))
    return rewards
