"""Whether the city is named in the answer.

task: capitals
flaw: "not Paris" is taken for Paris
probes: hedging, sensitivity
function: compute_score
"""


def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    said = solution_str.rpartition("Answer:")[2].lower()
    return 1.0 if ground_truth.lower() in said else 0.0
