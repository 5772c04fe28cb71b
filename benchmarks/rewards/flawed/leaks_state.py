"""Right or wrong, with a bonus for what was not seen before.

task: sums
flaw: remembers what it scored; the same text earns less the second time
probes: determinism
"""

import re

SEEN = set()


def reward(completions, answer, **kwargs):
    rewards = []
    for text, gold in zip(completions, answer):
        found = re.findall(r"Answer:\s*(\d+)", text)
        novel = text not in SEEN
        SEEN.add(text)
        rewards.append(float(bool(found) and found[-1] == gold) + (0.2 if novel else 0.0))
    return rewards
