"""The benchmark of rewards: every file's header is in form, and the results are those of the files."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from vllm_migrate.reward.registry import all_probes

README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.fixture(scope="module")
def benchmark(imported):
    return imported("rewards", "measure", "split", "tasks")


@pytest.fixture(scope="module")
def results(benchmark):
    """The committed rows by part: `tuned` and `aside`."""
    return json.loads(benchmark.measure.RESULT.read_text(encoding="utf-8"))


def test_every_header_names_a_task_and_probes_that_there_are(benchmark):
    known = {probe.name for probe in all_probes()}
    every = [*benchmark.measure.entries(aside=False), *benchmark.measure.entries(aside=True)]
    assert len(every) == len({one.name for one in every})
    for one in every:
        assert one.task in benchmark.tasks.TASKS, one.name
        assert {*one.probes, *one.ignore} <= known, one.name
        assert one.expected in ("fail", "warn"), one.name
        assert bool(one.flaw) is bool(one.probes) is not one.clean, one.name


def test_the_rewards_set_aside_are_those_that_were_drawn(benchmark):
    split, folder = benchmark.split, benchmark.measure.HERE
    committed = json.loads((folder / "split.json").read_text(encoding="utf-8"))
    draw = random.Random(split.SEED)  # noqa: S311 - a sample, no secret
    for names, kind in ((split.CLEAN, "clean"), (split.FLAWED, "flawed")):
        assert {path.stem for path in (folder / kind).glob("*.py")} == set(names.split())
        assert committed[kind] == split.aside(names, draw)


@pytest.mark.parametrize(("part", "aside"), [("tuned", False), ("aside", True)])
def test_the_committed_rows_are_of_these_rewards(benchmark, results, part, aside):
    rows = [(row["name"], row["clean"], row["task"], tuple(row["probes"])) for row in results[part]]
    entries = benchmark.measure.entries(aside=aside)
    assert rows == [(one.name, one.clean, one.task, one.probes) for one in entries]


def test_the_front_page_says_what_was_measured(benchmark, results):
    claim = next(
        line
        for line in README.read_text(encoding="utf-8").splitlines()
        if line.startswith("| planted flaws of rewards named |")
    )
    named = {}
    for part, rows in results.items():
        hits = [benchmark.measure.hits(row)[1] for row in rows if not row["clean"]]
        named[part] = f"{sum(hits)} of {len(hits)}"
    clean = [row for rows in results.values() for row in rows if row["clean"]]
    assert f"{named['tuned']} where probes were tuned by them, {named['aside']} set aside" in claim
    assert not [row["name"] for row in clean if row["verdict"] == "FAIL" or "error" in row]
    assert f"no clean reward of {len(clean)} accused" in claim
