"""Right or wrong, warmed up over the run.

task: sums
flaw: the reward moves with the clock
probes: determinism
"""

import re
import time


def reward(completions, answer, **kwargs):
    warm = 0.5 + 0.5 * (time.time() % 7.0) / 7.0
    rewards = []
    for text, gold in zip(completions, answer):
        found = re.findall(r"Answer:\s*(\d+)", text)
        rewards.append(warm * float(bool(found) and found[-1] == gold))
    return rewards
