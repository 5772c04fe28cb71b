"""Every example of every rule holds inside a notebook, too."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version
from rule_support import context

from vllm_migrate.edits.model import AddImport, Safety
from vllm_migrate.edits.plan import plan_file
from vllm_migrate.facts.model import Target
from vllm_migrate.files.adapters import read_file
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.rules.inside import about_the_file
from vllm_migrate.rules.registry import all_rules

if TYPE_CHECKING:
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.rules.base import Example, Rule

_MARK = "print('another cell')"
_NOT_IN_NOTEBOOKS = {"VM801"}  # nothing imports a notebook


def _notebook(*cells: str) -> bytes:
    value = {
        "cells": [
            {"cell_type": "code", "metadata": {}, "outputs": [], "source": text.splitlines(keepends=True)}
            for text in cells
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(value, indent=1).encode()


def _read(source: bytes, target: str) -> FileFacts:
    return read_file(
        PurePosixPath("a.ipynb"), FileKind.NOTEBOOK, source, None, Target("vllm", Version(target))
    )


def _cells(source: bytes) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads(source)["cells"]]


def _written(example: Example, text: str) -> tuple[str, ...]:
    """The cells that hold an example: its code between two others, or its commands in a cell of their own."""
    if example.file_name.endswith(".py"):
        return f"%matplotlib inline\n{_MARK}", text.removesuffix("\n"), _MARK
    return _MARK, f"%%bash\n{text}", _MARK


_EXAMPLES = [
    pytest.param(rule, example, id=f"{rule.code}-{number}")
    for rule in all_rules()
    for number, example in enumerate(rule.examples)
    if example.file_name.endswith((".py", ".sh"))
    and example.file_name != "setup.py"
    and rule.code not in _NOT_IN_NOTEBOOKS
]


@pytest.mark.parametrize(("rule", "example"), _EXAMPLES)
def test_example_in_a_notebook(rule: Rule, example: Example) -> None:
    before = _notebook(*_written(example, example.before))
    facts = _read(before, example.target)
    index = next(
        i for i, part in enumerate(facts.parts) if part.facts.kind in rule.kinds and _is_it(part, example)
    )
    inner = facts.parts[index].facts
    found = list(rule.find(inner, context(inner.use, example.source, example.target)))
    if example.unchanged:
        assert found == []
        return
    assert found
    findings = [about_the_file(finding, facts, index) for finding in found]
    assert all(finding.message.startswith("cell 2, line ") for finding in findings)
    assert all(0 <= finding.span.start < finding.span.end <= len(before) for finding in findings)
    plan = plan_file(facts, findings, unsafe=example.unsafe)
    if example.after is None:
        assert all(finding.safety is Safety.MANUAL for finding in findings)
        assert plan.after == before
        return
    assert not plan.refused
    assert len(plan.applied) == len(findings) or not example.unsafe
    assert plan.after == _notebook(*_cells(plan.after))
    if not any(isinstance(edit, AddImport) for finding in found for edit in finding.edits):
        expected = _written(example, example.after)
        assert _cells(plan.after)[1].removesuffix("\n") == expected[1].removesuffix("\n")
        assert [_cells(plan.after)[i] for i in (0, 2)] == [expected[0], expected[2]]
    again = _read(plan.after, example.target)
    inner = again.parts[index].facts
    second = [
        about_the_file(finding, again, index)
        for finding in rule.find(inner, context(inner.use, example.source, example.target))
    ]
    assert plan_file(again, second, unsafe=True).after == plan.after


def _is_it(part: object, example: Example) -> bool:
    kind = FileKind.PYTHON if example.file_name.endswith(".py") else FileKind.SHELL
    return part.facts.kind is kind  # type: ignore[attr-defined]  # a Part


_SPLIT = [
    pytest.param(rule, example, id=f"{rule.code}-{number}")
    for rule in all_rules()
    for number, example in enumerate(rule.examples)
    if example.file_name.endswith(".py") and not example.unchanged and rule.code not in _NOT_IN_NOTEBOOKS
]


@pytest.mark.parametrize(("rule", "example"), _SPLIT)
def test_example_with_a_cell_for_every_statement(rule: Rule, example: Example) -> None:
    """However the code is spread over cells, the same is found and what is edited is the same module."""
    lines = example.before.splitlines(keepends=True)
    starts = [node.lineno - 1 - _decorators(node) for node in ast.parse(example.before).body]
    pieces = ["".join(lines[a:b]) for a, b in zip([0, *starts[1:]], [*starts[1:], len(lines)], strict=True)]
    facts = _read(_notebook(*(piece.rstrip("\n") for piece in pieces)), example.target)
    inner = facts.parts[0].facts
    found = [
        replace(f, inside=None) for f in rule.find(inner, context(inner.use, example.source, example.target))
    ]
    assert found
    findings = [about_the_file(finding, facts, 0) for finding in found]
    plan = plan_file(facts, findings, unsafe=example.unsafe)
    assert len(_cells(plan.after)) == len(pieces)
    for cell in _cells(plan.after):
        ast.parse(cell)
    if example.after is not None and not plan.refused and plan.after != plan.before:
        joined = "\n".join(_cells(plan.after))
        assert ast.dump(ast.parse(joined)) == ast.dump(ast.parse(example.after))


def _decorators(node: ast.stmt) -> int:
    first = min((d.lineno for d in getattr(node, "decorator_list", [])), default=node.lineno)
    return node.lineno - first
