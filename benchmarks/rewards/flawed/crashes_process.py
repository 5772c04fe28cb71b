"""Right or wrong, after a native parser that does not survive what is nested deeply or not there.

task: boxed
flaw: ends the process on a text without a box
probes: contract
"""

import os
import re


def reward(completions, answer, **kwargs):
    rewards = []
    for text, gold in zip(completions, answer):
        if not text.strip() or text.count("{") > 40 or text.count("{") > text.count("}") + 1:
            os.abort()
        found = re.findall(r"\\boxed\{\s*([^{}]*?)\s*\}", text)
        rewards.append(float(bool(found) and found[-1] == gold))
    return rewards
