"""Right or wrong, less what others of the batch already said.

task: sums
flaw: what stands earlier in the batch earns more
probes: determinism, contract
"""

import re


def reward(completions, answer, **kwargs):
    rewards = []
    for place, (text, gold) in enumerate(zip(completions, answer)):
        found = re.findall(r"Answer:\s*(\d+)", text)
        rewards.append(float(bool(found) and found[-1] == gold) * (1.0 - 0.05 * place))
    return rewards
