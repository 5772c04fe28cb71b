"""Whether the answer begins with the reference.

task: sums
flaw: 420 is taken for 42
probes: sensitivity, second-verifier, hedging
"""


def reward(completions, answer, **kwargs):
    return [
        1.0 if text.rpartition("Answer:")[2].strip().startswith(gold) else 0.0
        for text, gold in zip(completions, answer)
    ]
