"""One thought in think tags, then something: form only, after TRL's.

task: think
"""

import re


def reward(completions, **kwargs):
    pattern = r"^<think>(?!.*<think>)(.*?)</think>.*$"
    return [1.0 if re.match(pattern, text, re.DOTALL) else 0.0 for text in completions]
