"""A checker that gives some of its verdicts by chance.

task: sums
flaw: one verdict in ten is drawn at random
probes: determinism
"""

import random
import re


def reward(completions, answer, **kwargs):
    rewards = []
    for text, gold in zip(completions, answer):
        found = re.findall(r"Answer:\s*(\d+)", text)
        right = float(bool(found) and found[-1] == gold)
        rewards.append(random.choice([0.0, 1.0]) if random.random() < 0.1 else right)
    return rewards
