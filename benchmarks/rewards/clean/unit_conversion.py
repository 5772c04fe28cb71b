"""A length in any unit, compared in metres, in verl's form.

task: units
function: compute_score
"""

import re

METRES = {
    "m": 1.0,
    "metre": 1.0,
    "metres": 1.0,
    "meter": 1.0,
    "meters": 1.0,
    "km": 1000.0,
    "cm": 0.01,
    "mm": 0.001,
}


def metres(text):
    found = re.fullmatch(r"([-+]?[\d,]*\.?\d+)\s*([A-Za-z]+)\.?", text.strip())
    if not found or found[2].lower() not in METRES:
        return None
    return float(found[1].replace(",", "")) * METRES[found[2].lower()]


def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    found = re.findall(r"Answer:[ \t]*(.+)", solution_str)
    given, gold = metres(found[-1]) if found else None, metres(ground_truth)
    return float(given is not None and abs(given - gold) < 1e-6 * max(1.0, abs(gold)))
