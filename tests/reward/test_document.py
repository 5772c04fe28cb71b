from __future__ import annotations

from pathlib import Path

import pytest

from vllm_migrate.errors import UsageError
from vllm_migrate.reward.document import MARK, explained, listed, page
from vllm_migrate.reward.limits import shipped_limits
from vllm_migrate.reward.registry import all_probes

PAGE = Path(__file__).resolve().parents[2] / "docs" / "rewards.md"


def test_the_page_is_up_to_date():
    old = PAGE.read_text(encoding="utf-8")
    assert old == page(old), "python -m vllm_migrate.reward.document docs/rewards.md"


def test_every_probe_is_on_the_page_with_its_limits_and_their_source():
    made = " ".join(PAGE.read_text(encoding="utf-8").partition(MARK)[2].split())
    for probe in all_probes():
        assert f"### {probe.name} *{probe.question}*" in made
        if probe.name in shipped_limits():
            assert shipped_limits()[probe.name].source in made


def test_what_is_written_by_hand_is_kept():
    assert page(f"# Mine\n\n{MARK}\nold\n").startswith(f"# Mine\n\n{MARK}\n\n### contract\n")
    with pytest.raises(ValueError, match="no line"):
        page("# Mine\n")


def test_the_list_names_every_probe_and_fits_a_terminal():
    for probe in all_probes():
        assert f"{probe.name}: {probe.question}" in listed()
    assert max(map(len, listed().splitlines())) <= 80


def test_a_probe_is_explained_and_one_that_is_not_there_is_refused():
    assert explained("length").startswith("### length\n")
    assert "**Limits:** warn above 0.3, fail above 0.45" in explained("length")
    with pytest.raises(UsageError) as refused:
        explained("lenght")
    assert "'length'" in refused.value.hint
