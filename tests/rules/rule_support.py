"""Runs rules on a piece of code as the scan does, with the project's use taken from that one file."""

from __future__ import annotations

import ast
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from packaging.version import Version

from vllm_migrate.edits.plan import plan_file
from vllm_migrate.facts.loader import load_facts
from vllm_migrate.facts.model import Target
from vllm_migrate.facts.source import parse_source
from vllm_migrate.files.adapters import kind_by_name, read_file
from vllm_migrate.resolve.project import build_index
from vllm_migrate.rules.base import Context
from vllm_migrate.rules.registry import all_rules

if TYPE_CHECKING:
    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.use import Use
    from vllm_migrate.rules.base import Rule


def read(source: bytes, file_name: str, target: str) -> FileFacts:
    path = PurePosixPath(file_name)
    kind = kind_by_name(file_name)
    assert kind is not None
    index = build_index([(path, source)] if file_name.endswith(".py") else [])
    return read_file(path, kind, source, index, Target("vllm", Version(target)))


def context(use: Use, source: str = "0.8.5", target: str = "0.32.0", recipe: str = "parity") -> Context:
    return Context(parse_source(source), Target("vllm", Version(target)), load_facts(), use, recipe)


def find(  # noqa: PLR0917 (a test names what it wants)
    rule: Rule,
    text: str | bytes,
    file_name: str = "train.py",
    source: str = "0.8.5",
    target: str = "0.32.0",
    use: Use | None = None,
    recipe: str = "parity",
) -> list[Finding]:
    data = text.encode() if isinstance(text, str) else text
    facts = read(data, file_name, target)
    if facts.kind not in rule.kinds:
        return []
    return list(rule.find(facts, context(use or facts.use, source, target, recipe)))


def by_code(code: str) -> Rule:
    return next(rule for rule in all_rules() if rule.code == code)


def edited(code: str, text: str, target: str = "0.32.0") -> str:
    """A Python file after all edits of one rule, none of which is refused, and which leave Python behind."""
    facts = read(text.encode(), "train.py", target)
    plan = plan_file(facts, find(by_code(code), text, target=target), unsafe=True)
    assert not plan.refused
    ast.parse(plan.after)
    return plan.after.decode()
