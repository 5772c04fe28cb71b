from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

from vllm_migrate.guard import Boundaries, PolicyGuard, project_boundaries
from vllm_migrate.guard.document import MARK, page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guard.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_page_is_up_to_date():
    assert page(TEXT) == TEXT, "python -m vllm_migrate.guard.document docs/guard.md"


def test_every_boundary_is_on_the_page_with_its_limits_and_their_source():
    made = TEXT.partition(MARK)[2]
    for boundary in Boundaries.default():
        assert f"`{boundary.name}` | {boundary.what}" in made
        assert boundary.source in made
    assert "| > 0.02 | > 0.05 | 2 |" in made
    assert "| < 0.5 | < 0.3 | 1 |" in made


def test_what_is_written_by_hand_is_kept():
    assert page(f"# Mine\n\n{MARK}\nold\n").startswith(f"# Mine\n\n{MARK}\n\n## All boundaries\n")
    with pytest.raises(ValueError, match="no line"):
        page("# Mine\n")


def test_every_argument_of_a_step_is_on_the_page_and_no_other():
    table = TEXT.partition("## What it takes")[2].partition("## Two movements")[0]
    named = {
        name
        for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert named | {"self", "step"} == set(inspect.signature(PolicyGuard.step).parameters)


def test_the_code_on_the_page_calls_the_guard_as_it_is():
    known = set(inspect.signature(PolicyGuard.step).parameters)
    calls = 0
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("guard.step"):
                given = {keyword.arg for keyword in node.keywords if keyword.arg}
                assert given <= known, given - known
                calls += 1
    assert calls == 5


def test_the_table_of_the_project_on_the_page_is_taken(tmp_path):
    (table,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "pyproject.toml").write_text(table, encoding="utf-8")
    found = project_boundaries(tmp_path)
    assert found.warm_up == 20
    assert found["base_kl"].stop == 0.5
    assert found["clip_rate"].stop is None
    assert found["advantage_off_centre"].warn is None
