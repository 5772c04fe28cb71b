"""The help of commands with many options stands under headings."""

from __future__ import annotations

import re

import pytest


def _panels(text: str) -> dict[str, list[str]]:
    """Long options by the heading they stand under."""
    found: dict[str, list[str]] = {}
    options: list[str] = []
    for line in text.splitlines():
        if heading := re.fullmatch(r"(\w[\w ]*):", line):
            options = found.setdefault(heading[1], [])
        elif option := re.match(r"  (?:-\w, )?(--[\w-]+)", line):
            options.append(option[1])
    return found


def test_options_stand_under_the_headings_that_they_name(run):
    panels = _panels(run("audit", "--help").out)
    assert list(panels) == [
        "Options",
        "Engines",
        "Prompts",
        "Sampling",
        "Your code",
        "Figures",
        "Cause",
        "Trainer",
        "Weight sync",
        "Reward",
        "Traces",
        "Output",
    ]
    assert panels["Your code"] == ["--from-code", "--apply", "--apply-from", "--yes", "--allow-dirty"]
    assert "--help" in panels["Options"]


def test_a_shared_option_stands_under_the_same_heading_everywhere(run):
    audit, record, compare = (_panels(run(name, "--help").out) for name in ("audit", "record", "compare"))
    for panels in (record, compare):
        for heading in panels.keys() - {"Options", "Arguments"}:
            assert set(panels[heading]) <= set(audit[heading])


@pytest.mark.parametrize("command", ["audit", "record", "compare", "reward"])
def test_help_fits_80_columns(run, command):
    assert max(map(len, run(command, "--help").out.splitlines())) <= 80
