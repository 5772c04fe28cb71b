"""Right or wrong, and no loops in the text.

task: sums
flaw: its pattern takes minutes on a long text
probes: contract
"""

import re


def reward(completions, answer, **kwargs):
    rewards = []
    for text, gold in zip(completions, answer):
        repeated = (
            re.search(r"((?:\w+\W+)+)(?:.|\n)*\1(?:.|\n)*\1(?:.|\n)*\1(?:.|\n)*\1", text)
            if len(text) > 5000
            else None
        )
        found = re.findall(r"Answer:\s*(\d+)", text)
        rewards.append(float(bool(found) and found[-1] == gold and not repeated))
    return rewards
