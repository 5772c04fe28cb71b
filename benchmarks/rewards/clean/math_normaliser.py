"""Boxed answers, compared as exact fractions after LaTeX is read: one text a call.

task: fractions
"""

import re
from fractions import Fraction


def boxed(text):
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    depth, begin = 1, start + len("\\boxed{")
    for place in range(begin, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[begin:place]
    return None


def value(text):
    text = re.sub(r"\\(text|mathrm)\{[^}]*\}", "", text)
    text = text.replace("\\left", "").replace("\\right", "").replace("$", "").replace("\\%", "")
    text = re.sub(r"\\[,;!: ]|\s|(?<=\d),(?=\d{3})", "", text).replace("\u2212", "-")
    text = re.sub(r"\\[dt]?frac\{([-+]?\d+)\}\{(\d+)\}", r"\1/\2", text)
    text = re.sub(r"\\[dt]?frac(\d)(\d)", r"\1/\2", text).strip("().")
    if not re.fullmatch(r"[-+]?(\d+(/\d+)?|\d*\.\d+|\d+\.)", text):
        return None
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        return None


def reward(completion: str, answer: str) -> float:
    given = boxed(completion)
    if given is None:
        return 0.0
    mine, gold = value(given), value(answer)
    if mine is None or gold is None:
        return float(given.strip() == answer.strip())
    return float(mine == gold)
