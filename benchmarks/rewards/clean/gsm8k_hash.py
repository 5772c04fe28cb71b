"""The number behind the last ####, thousands separators and dollar signs taken out, in verl's form.

task: gsm8k
function: compute_score
"""

import re


def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    found = re.findall(r"####[ \t]*\$?([-+]?[0-9][0-9.,]*)", solution_str)
    if not found:
        return 0.0
    given = found[-1].replace(",", "").rstrip(".")
    try:
        return 1.0 if float(given) == float(ground_truth.replace(",", "")) else 0.0
    except ValueError:
        return 0.0
