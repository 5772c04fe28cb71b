"""F1 over the words of an answer, after SQuAD's.

task: authors
"""

import re
from collections import Counter


def words(text):
    text = re.sub(r"\b(a|an|the)\b", " ", re.sub(r"[^\w\s]", " ", text.lower()))
    return text.split()


def reward(completions, answer, **kwargs):
    rewards = []
    for text, gold in zip(completions, answer):
        found = re.findall(r"Answer:[ \t]*(.+)", text)
        mine, wanted = words(found[-1]) if found else [], words(gold)
        common = sum((Counter(mine) & Counter(wanted)).values())
        if not common:
            rewards.append(0.0)
            continue
        precision, recall = common / len(mine), common / len(wanted)
        rewards.append(2 * precision * recall / (precision + recall))
    return rewards
