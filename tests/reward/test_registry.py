from __future__ import annotations

from pathlib import Path

import pytest

from vllm_migrate.errors import UsageError
from vllm_migrate.reward import probes
from vllm_migrate.reward.limits import shipped_limits
from vllm_migrate.reward.registry import all_probes, selected


def test_a_probe_is_called_what_its_file_is_called() -> None:
    files = {path.stem.replace("_", "-") for path in Path(probes.__path__[0]).glob("[a-z]*.py")}
    assert {probe.name for probe in all_probes()} == files


def test_every_probe_has_a_test_of_its_own() -> None:
    tested = {path.stem for path in (Path(__file__).parent / "probes").glob("test_*.py")}
    assert {f"test_{probe.name.replace('-', '_')}" for probe in all_probes()} <= tested


def test_limits_name_probes_and_sources() -> None:
    for name, limits in shipped_limits().items():
        assert name in {probe.name for probe in all_probes()}
        assert limits.source


def test_a_probe_that_is_not_there_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(UsageError) as refused:
        selected(["white-space"], [])
    assert "whitespace" in refused.value.hint
    assert selected([], ["whitespace"]) == {probe.name for probe in all_probes()} - {"whitespace"}
