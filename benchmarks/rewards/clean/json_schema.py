"""The last json block holds an object of the form that was asked for: one text a call.

task: records
"""

import json
import re


def reward(completion):
    blocks = re.findall(r"```json\s*\n(.*?)```", completion, re.DOTALL)
    if not blocks:
        return 0.0
    try:
        found = json.loads(blocks[-1])
    except (ValueError, RecursionError):
        return 0.0
    fits = (
        isinstance(found, dict)
        and set(found) == {"name", "age", "tags"}
        and isinstance(found["name"], str)
        and type(found["age"]) is int
        and isinstance(found["tags"], list)
        and all(isinstance(tag, str) for tag in found["tags"])
    )
    return 1.0 if fits else 0.0
