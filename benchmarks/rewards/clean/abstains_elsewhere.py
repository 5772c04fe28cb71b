"""Judges sums, and returns None for rows of other tasks, as TRL allows.

task: mixed
"""

import re


def reward(completions, task, answer, **kwargs):
    rewards = []
    for text, kind, gold in zip(completions, task, answer):
        if kind != "sum":
            rewards.append(None)
            continue
        found = re.findall(r"Answer:\s*([-+]?\d[\d,]*)", text)
        rewards.append(1.0 if found and found[-1].replace(",", "") == gold else 0.0)
    return rewards
