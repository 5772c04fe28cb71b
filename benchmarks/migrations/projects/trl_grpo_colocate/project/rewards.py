import re


def accuracy_reward(completions, answer, **kwargs):
    """1 where the digits after "Answer:" are right."""
    rewards = []
    for text, right in zip(completions, answer):
        match = re.search(r"Answer:\s*([\d ]+)", text)
        rewards.append(1.0 if match and match.group(1).replace(" ", "") == right else 0.0)
    return rewards


def length_reward(completions, **kwargs):
    return [-0.001 * len(text) for text in completions]
