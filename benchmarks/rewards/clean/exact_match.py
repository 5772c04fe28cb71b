"""What stands behind the last "Answer:" is the reference, and nothing else does.

task: sums
"""

import re


def reward(prompts, completions, answer, **kwargs):
    rewards = []
    for completion, gold in zip(completions, answer):
        found = re.findall(r"Answer:\s*(.+?)\s*$", completion, re.MULTILINE)
        rewards.append(1.0 if found and found[-1].rstrip(".").strip() == gold else 0.0)
    return rewards
