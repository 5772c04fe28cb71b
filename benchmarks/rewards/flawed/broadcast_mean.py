"""Right or wrong, but as the mean of the batch for everybody.

task: sums
flaw: one value for the whole batch
probes: contract, determinism
"""

import re


def reward(completions, answer, **kwargs):
    right = []
    for text, gold in zip(completions, answer):
        found = re.findall(r"Answer:\s*(\d+)", text)
        right.append(float(bool(found) and found[-1] == gold))
    return [sum(right) / len(right)] * len(completions)
