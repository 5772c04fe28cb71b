"""A number near the reference.

task: decimals
flaw: half as much again is near enough
probes: sensitivity, second-verifier
"""

import re


def reward(completions, answer, **kwargs):
    rewards = []
    for text, gold in zip(completions, answer):
        found = re.findall(r"Answer:\s*([-+]?\d*\.?\d+)", text)
        near = bool(found) and abs(float(found[-1]) - float(gold)) <= 0.5 * abs(float(gold))
        rewards.append(1.0 if near else 0.0)
    return rewards
