"""Whether the answer is among the references.

task: sums
flaw: among those of the whole batch: an index is missing
probes: determinism, contract, swap
"""

import re


def reward(completions, answer, **kwargs):
    rewards = []
    for text in completions:
        found = re.findall(r"Answer:\s*(\d+)", text)
        rewards.append(1.0 if found and found[-1] in answer else 0.0)
    return rewards
