"""Right or wrong, scaled down to keep the critic calm.

task: sums
flaw: differences of a ten-thousandth, which the normaliser takes for noise
probes: resolution
expected: warn
"""

import re


def reward(completions, answer, **kwargs):
    rewards = []
    for text, gold in zip(completions, answer):
        found = re.findall(r"Answer:\s*(\d+)", text)
        rewards.append(1e-4 * float(bool(found) and found[-1] == gold))
    return rewards
