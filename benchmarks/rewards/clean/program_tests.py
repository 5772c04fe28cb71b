"""Share of the tests that a program for a stack machine passes; it runs no code of Python's.

task: programs
"""

import re


def run(program, x):
    stack = []
    for word in program.split()[:200]:
        if word == "x":
            stack.append(x)
        elif re.fullmatch(r"-?\d{1,6}", word):
            stack.append(int(word))
        elif word in ("+", "-", "*") and len(stack) >= 2:
            right, left = stack.pop(), stack.pop()
            stack.append(left + right if word == "+" else left - right if word == "-" else left * right)
        else:
            return None
    return stack[0] if len(stack) == 1 else None


def reward(completions, tests, **kwargs):
    rewards = []
    for text, cases in zip(completions, tests):
        blocks = re.findall(r"```rpn\s*\n(.*?)```", text, re.DOTALL)
        passed = sum(run(blocks[-1], x) == wanted for x, wanted in cases) if blocks else 0
        rewards.append(1.0 if passed == len(cases) else 0.0)
    return rewards
