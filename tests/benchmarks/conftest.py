"""Benchmarks are scripts, no package: their modules import each other by bare names, many of which recur."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def imported():
    """A function from a benchmark's folder and names to its modules, imported as its script imports them."""
    path, before = list(sys.path), set(sys.modules)

    def modules(folder, *names):
        sys.path.insert(0, str(BENCHMARKS / folder))
        return SimpleNamespace(**{name: importlib.import_module(name) for name in names})

    yield modules
    sys.path[:] = path
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file is not None and BENCHMARKS in Path(file).parents:
            del sys.modules[name]
