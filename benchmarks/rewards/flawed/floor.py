"""Looks for the answer in tags that the prompt never asks for.

task: sums
flaw: nothing ever earns
probes: saturation, groups
"""

import re


def reward(completions, answer, **kwargs):
    rewards = []
    for text, gold in zip(completions, answer):
        found = re.findall(r"<final>(.*?)</final>", text)
        rewards.append(1.0 if found and found[-1] == gold else 0.0)
    return rewards
