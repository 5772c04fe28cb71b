"""A third for each of three numbers in its place.

task: triples
"""

import re


def numbers(text):
    return [part.strip().replace(",", "").rstrip(".") for part in text.split(";")]


def reward(completions, answer, **kwargs):
    rewards = []
    for text, gold in zip(completions, answer):
        found = re.findall(r"Answer:[ \t]*(.+)", text)
        if not found:
            rewards.append(0.0)
            continue
        given, wanted = numbers(found[-1]), numbers(gold)
        hits = sum(a == b for a, b in zip(given, wanted)) if len(given) == len(wanted) else 0
        rewards.append(hits / len(wanted))
    return rewards
