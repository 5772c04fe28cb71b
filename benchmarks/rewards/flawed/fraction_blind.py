"""What is in the box, letter for letter.

task: fractions
flaw: knows one notation of a fraction only
probes: equivalence, second-verifier
"""

import re


def reward(completion: str, answer: str) -> float:
    found = re.findall(r"\\boxed\{((?:[^{}]|\{[^{}]*\})*)\}", completion)
    return 1.0 if found and found[-1].strip() == answer else 0.0
