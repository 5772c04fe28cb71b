"""Right or wrong, where there is an answer at all.

task: sums
flaw: leaves out completions without an answer, so that fewer rewards come back
probes: contract
"""

import re


def reward(completions, answer, **kwargs):
    rewards = []
    for text, gold in zip(completions, answer):
        found = re.findall(r"Answer:\s*(\d+)", text)
        if not found:
            continue
        rewards.append(float(found[-1] == gold))
    return rewards
