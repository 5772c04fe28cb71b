"""A YAML file as nested nodes that know where they stand, for looking values up by their keys.

Made of the entries that edits are made of, so that what is looked up can be edited. Anchors, merges and tags
are left unresolved, never guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vllm_migrate.files.located import UNRESOLVED, Span
from vllm_migrate.files.text import as_latin1, shown
from vllm_migrate.files.yaml_lines import entries
from vllm_migrate.files.yaml_values import literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.files.yaml_lines import Entry

_REFERENCE = re.compile(r"[\"']?\$\{([\w.]+)\}[\"']?")
_DEEPEST = 8


@dataclass(slots=True)
class YamlNode:
    """A mapping, a sequence or a scalar.

    Attributes:
        line: 1-based line of its key, dash or value.
        text: the scalar or flow collection as written.
        value: what a scalar means, `UNRESOLVED` where it can't be told.
        keys: the nodes of a mapping; `items` those of a sequence.
        span: bytes of the scalar or flow collection; `entry` the entry it is made of, None for the root.
    """

    line: int
    text: str = ""
    value: object = UNRESOLVED
    keys: dict[str, YamlNode] = field(default_factory=dict)
    items: list[YamlNode] = field(default_factory=list)
    span: Span = field(default_factory=lambda: Span(0, 0))
    entry: Entry | None = None

    def at(self, path: Sequence[str]) -> YamlNode | None:
        """The node that keys lead to."""
        node: YamlNode | None = self
        for key in path:
            node = node.keys.get(key) if node is not None else None
        return node

    def plain(self) -> object:
        """The node as a plain value, `UNRESOLVED` where part of it is."""
        if self.keys:
            values: dict[str, object] = {key: node.plain() for key, node in self.keys.items()}
            return UNRESOLVED if UNRESOLVED in values.values() else values
        if self.items:
            listed = [node.plain() for node in self.items]
            return UNRESOLVED if any(value is UNRESOLVED for value in listed) else listed
        return self.value


def read_yaml_tree(source: bytes) -> YamlNode:
    """The root of a file's first document.

    Raises:
        InputError: where it can't be followed line by line (a template, tabs, an open bracket).
    """
    text = as_latin1(source)
    found = entries(text)
    root = YamlNode(1)
    nodes: list[YamlNode] = []
    for entry in found:
        node = _node(text, entry)
        nodes.append(node)
        above = root if entry.parent < 0 else nodes[entry.parent]
        if not entry.key:
            above.items.append(node)
        elif entry.key not in above.keys:  # a second document's keys don't replace those of the first
            above.keys[shown(entry.key)] = node
    _resolve(root, root)
    return root


def _node(text: str, entry: Entry) -> YamlNode:
    written = text[entry.value.start : entry.value.end]
    line = text.count("\n", 0, entry.start) + 1
    if entry.children:
        return YamlNode(line, shown(written), span=entry.value, entry=entry)
    if written.strip() == "{}":
        return YamlNode(line, written, {}, span=entry.value, entry=entry)
    if written.strip() == "[]":
        return YamlNode(line, written, [], span=entry.value, entry=entry)
    value = UNRESOLVED if entry.block else literal(written)
    value = shown(value) if isinstance(value, str) else value
    return YamlNode(line, shown(written), value, span=entry.value, entry=entry)


def _resolve(node: YamlNode, root: YamlNode) -> None:
    """OmegaConf's `${a.b}` where it is the whole value and leads to another one of the file."""
    for below in (*node.keys.values(), *node.items):
        _resolve(below, root)
        if below.value is UNRESOLVED and not below.keys:
            below.value = _referenced(below, root, 0)


def _referenced(node: YamlNode, root: YamlNode, depth: int) -> object:
    match = _REFERENCE.fullmatch(node.text.strip())
    leads_to = root.at(match[1].split(".")) if match and depth < _DEEPEST else None
    if leads_to is None or leads_to is node:
        return UNRESOLVED
    if leads_to.value is UNRESOLVED and not leads_to.keys:
        return _referenced(leads_to, root, depth + 1)
    return leads_to.plain()
