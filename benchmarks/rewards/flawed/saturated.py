"""Gives a point to whatever ends in a number.

task: sums
flaw: nearly everything earns the top reward
probes: saturation, groups
"""

import re


def reward(completions, answer, **kwargs):
    return [
        1.0 if re.search(r"\d\W*$", text) or "Answer" in text or len(text) > 60 else 0.0
        for text in completions
    ]
