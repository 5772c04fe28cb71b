"""DAPO's soft punishment of overlong completions: 0 up to a length, then down to -1.

task: sums
"""

LONGEST, SOFT = 180, 80


def reward(completion_ids, **kwargs):
    def one(length):
        if length <= LONGEST - SOFT:
            return 0.0
        if length <= LONGEST:
            return (LONGEST - SOFT - length) / SOFT
        return -1.0

    return [one(len(ids)) for ids in completion_ids]
