"""The number behind "Answer:".

task: money
flaw: does not know 1,000 for 1000
probes: equivalence, second-verifier
"""

import re


def reward(completions, answer, **kwargs):
    rewards = []
    for text, gold in zip(completions, answer):
        found = re.findall(r"Answer:\s*(\S+)", text)
        rewards.append(1.0 if found and found[-1].rstrip(".") == gold else 0.0)
    return rewards
