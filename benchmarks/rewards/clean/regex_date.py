"""A date behind the last "Answer:", ISO or in words: one text a call.

task: dates
"""

import re
from datetime import date

MONTHS = "january february march april may june july august september october november december".split()


def read(text):
    iso = re.fullmatch(r"(\d{4})-(\d\d?)-(\d\d?)", text)
    words = re.fullmatch(r"(\d\d?)\.? ([A-Za-z]+),? (\d{4})", text)
    us = re.fullmatch(r"([A-Za-z]+) (\d\d?),? (\d{4})", text)
    try:
        if iso:
            return date(*map(int, iso.groups()))
        if words:
            return date(int(words[3]), MONTHS.index(words[2].lower()) + 1, int(words[1]))
        if us:
            return date(int(us[3]), MONTHS.index(us[1].lower()) + 1, int(us[2]))
    except ValueError:
        return None
    return None


def reward(completion: str, answer: str) -> float:
    found = re.findall(r"Answer:[ \t]*(.+)", completion)
    if not found:
        return 0.0
    given = read(found[-1].strip().rstrip("."))
    return float(given is not None and given == read(answer))
