"""Share of the rubric's facts, by the number of words.

task: essays
flaw: is NaN where there are no words
probes: contract
"""

import numpy as np


def reward(completions, rubric, **kwargs):
    rewards = []
    for text, facts in zip(completions, rubric):
        hits = np.float64(sum(fact in text.lower() for fact in facts))
        with np.errstate(all="ignore"):
            density = hits / np.float64(len(text.split()))
        rewards.append(float(hits / len(facts) + 0.0 * density))
    return rewards
