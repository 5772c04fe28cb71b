"""The box, read brace by brace.

task: boxed
flaw: never returns where the box is not closed
probes: contract
"""


def reward(completions, answer, **kwargs):
    rewards = []
    for text, gold in zip(completions, answer):
        start = text.rfind("\\boxed{")
        if start < 0:
            rewards.append(0.0)
            continue
        depth, place = 1, start + 7
        while depth:
            letter = text[place] if place < len(text) else ""
            depth += (letter == "{") - (letter == "}")
            place += 1
        rewards.append(float(text[start + 7 : place - 1].strip() == gold))
    return rewards
