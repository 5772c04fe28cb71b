"""A dictionary with the score and what else is logged, in verl's form.

task: boxed
function: compute_score
"""

import re


def compute_score(data_source, solution_str, ground_truth, extra_info=None, **kwargs):
    found = re.findall(r"\\boxed\{([^{}]*)\}", solution_str)
    given = re.sub(r"[\s,$]", "", found[-1]).replace("\\", "") if found else ""
    right = re.fullmatch(r"[-+]?\d+(\.0+)?", given) is not None and float(given) == float(ground_truth)
    return {"score": 1.0 if right else 0.0, "acc": right, "pred": given}
