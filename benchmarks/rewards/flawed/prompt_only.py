"""Difficulty of the question, where the completion was meant.

task: sums
flaw: looks at the prompt only, so that all completions of a prompt earn the same
probes: groups, sensitivity
"""

import re


def reward(prompts, completions, answer, **kwargs):
    return [float(sum(int(n) for n in re.findall(r"\d+", prompt)) % 7) / 7 for prompt in prompts]
