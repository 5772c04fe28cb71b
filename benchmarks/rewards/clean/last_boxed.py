"""The last box holds the reference, in verl's form.

task: boxed
function: compute_score
"""


def last_box(text):
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    depth = 0
    for place in range(start + 6, len(text)):
        if text[place] == "{":
            depth += 1
        elif text[place] == "}":
            depth -= 1
            if depth == 0:
                return text[start + 7 : place]
    return None


def clean(text):
    for gone in ("$", "\\,", "\\!", "\\;", " ", ",", "\n"):
        text = text.replace(gone, "")
    text = text.replace("\u2212", "-").lstrip("+")
    return text[:-2] if text.endswith(".0") else text


def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    given = last_box(solution_str)
    return 1.0 if given is not None and clean(given) == clean(ground_truth) else 0.0
