import json
import re

ANSWER = re.compile(r"Answer:((?:\s*\d)+)")


class Columns:
    """The column-sum task: digits after "Answer:" must match exactly."""

    def __init__(self, path, limit):
        with open(path) as f:
            self.rows = [json.loads(line) for line in f][:limit]

    @property
    def prompts(self):
        return [row["prompt"] for row in self.rows]

    def score(self, index, completion):
        found = ANSWER.search(completion)
        return float(bool(found) and re.sub(r"\s", "", found.group(1)) == self.rows[index]["answer"])
