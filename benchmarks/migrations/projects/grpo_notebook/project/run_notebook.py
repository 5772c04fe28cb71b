"""Runs a notebook's code cells in order, as nbconvert --execute would (our CI has no Jupyter)."""

import json
import os
import sys


def run_cell(source, namespace, name):
    lines = []
    for line in source.splitlines():
        bare = line.strip()
        if bare.startswith("%env "):
            key, _, value = bare[5:].partition("=")
            os.environ[key.strip()] = value.strip()
        elif not bare.startswith(("!", "%")):
            lines.append(line)
    exec(compile("\n".join(lines), name, "exec"), namespace)


def main():
    with open(sys.argv[1]) as f:
        cells = json.load(f)["cells"]
    namespace = {"__name__": "notebook"}
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            run_cell("".join(cell["source"]), namespace, f"{sys.argv[1]}[{number}]")


if __name__ == "__main__":
    main()
