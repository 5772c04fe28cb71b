"""1 for a right box near the end, -1 for anything else, after DAPO's.

task: boxed
"""

import re


def reward(completions, answer, **kwargs):
    def one(text, gold):
        found = re.findall(r"\\boxed\{((?:[^{}]|\{[^{}]*\})*)\}", text[-300:])
        if not found:
            return -1.0
        given = re.sub(r"\\[,;!: ]|[\s,$]|\\text\{[^}]*\}", "", found[-1]).replace("\u2212", "-")
        try:
            return 1.0 if float(given) == float(gold) else -1.0
        except ValueError:
            return -1.0

    return [one(text, gold) for text, gold in zip(completions, answer)]
