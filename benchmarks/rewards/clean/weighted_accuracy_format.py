"""Accuracy, and a fifth of it for the tags: two functions with weights.

task: think
functions: accuracy=1.0 form=0.2
"""

import re


def accuracy(completions, answer, **kwargs):
    rewards = []
    for text, gold in zip(completions, answer):
        found = re.findall(r"<answer>\s*(.*?)\s*</answer>", text, re.DOTALL)
        rewards.append(1.0 if found and found[-1].replace(",", "") == gold else 0.0)
    return rewards


def form(completions, **kwargs):
    pattern = r"\s*<think>.*?</think>\s*<answer>.*?</answer>\s*"
    return [1.0 if re.fullmatch(pattern, text, re.DOTALL) else 0.0 for text in completions]
