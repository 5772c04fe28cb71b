"""Looks for the right letter.

task: choices
flaw: takes the letter anywhere in the text, or beside others
probes: hedging, sensitivity, second-verifier
"""

import re


def reward(completions, answer, **kwargs):
    return [
        1.0 if re.search(rf"\b{gold}\b", text, re.IGNORECASE) else 0.0
        for text, gold in zip(completions, answer)
    ]
