"""A number within one part in ten thousand of the reference.

task: decimals
"""

import math
import re


def reward(completions, answer, **kwargs):
    def one(text, gold):
        found = re.findall(r"Answer:[^\S\n]*([-+]?[\d,]*\.?\d+)(?![\d/])", text)
        if not found:
            return 0.0
        return float(math.isclose(float(found[-1].replace(",", "")), float(gold), rel_tol=1e-4, abs_tol=1e-9))

    return [one(text, gold) for text, gold in zip(completions, answer)]
