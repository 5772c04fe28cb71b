"""Whether what the completion says is in the reference.

task: capitals
flaw: nothing behind "Answer:" is part of every reference
probes: empty, master-keys
"""


def reward(completions, answer, **kwargs):
    rewards = []
    for text, gold in zip(completions, answer):
        said = text.rpartition("Answer:")[2].strip(" .\n").lower() if "Answer:" in text else "-"
        rewards.append(1.0 if said in gold.lower() else 0.0)
    return rewards
