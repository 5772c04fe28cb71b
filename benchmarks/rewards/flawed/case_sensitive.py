"""The letter behind "Answer:".

task: choices
flaw: knows capitals only, while the policy also writes small letters
probes: equivalence, second-verifier
"""

import re


def reward(completions, answer, **kwargs):
    rewards = []
    for text, gold in zip(completions, answer):
        found = re.findall(r"Answer:\s*\(?(\w)", text)
        rewards.append(1.0 if found and found[-1] == gold else 0.0)
    return rewards
