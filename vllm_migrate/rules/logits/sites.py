"""Where processors are given with a request."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from vllm_migrate.files.located import UNRESOLVED
from vllm_migrate.files.python import parse_python
from vllm_migrate.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Argument, Certainty, Span
    from vllm_migrate.files.positions import SourceText

NAME = "logits_processors"
_CLASS = "vllm.SamplingParams"
_NEXT_FUNCTION = re.compile(rb"\n[ \t]*(?:async[ \t]+)?def\s|\nclass\s")


@dataclass(frozen=True, slots=True)
class Site:
    """One place where processors are given.

    Attributes:
        span: the argument, or the attribute that is assigned.
        node: the expression for them; None where it was not found again.
        argument: the argument; None where they are assigned.
    """

    span: Span
    source: str
    node: ast.expr | None
    value_span: Span
    argument: Argument | None
    certainty: Certainty


@dataclass(frozen=True, slots=True)
class Read:
    """A file that gives processors with its requests, read once more."""

    text: SourceText
    tree: ast.Module
    sites: tuple[Site, ...]


def read_sites(file: FileFacts) -> Read | None:
    """The places in a file, in its order; None where there are none."""
    asked = [
        a
        for a in file.arguments
        if a.owner == "sampling" and a.name == NAME and not a.dead and _asks(a.value.literal)
    ]
    assigned = any(a.owner == _CLASS and a.name == NAME and a.assigned for a in file.attributes)
    if not asked and not assigned:
        return None
    parsed = parse_python(file.path, file.source)
    text, tree = parsed.text, parsed.module
    nodes = {text.span(node): node for node in ast.walk(tree) if isinstance(node, ast.expr)}
    sites = [
        Site(a.span, a.value.source, nodes.get(a.value_span), a.value_span, a, a.certainty)
        for a in asked
        if a.value_span is not None
    ]
    sites += _assigned(file, text, tree)
    return Read(text, tree, tuple(sorted(sites, key=lambda site: site.span))) if sites else None


def _assigned(file: FileFacts, text: SourceText, tree: ast.Module) -> Iterator[Site]:
    """`params.logits_processors = [...]`."""
    places = {
        a.span: a.certainty for a in file.attributes if a.owner == _CLASS and a.name == NAME and a.assigned
    }
    for statement in ast.walk(tree):
        if not (isinstance(statement, ast.Assign) and len(statement.targets) == 1):
            continue
        span = text.span(statement.targets[0])
        value = text.span(statement.value)
        source = file.text(value)
        if span in places and source not in ("None", "[]"):
            yield Site(span, source, statement.value, value, None, places[span])


def _asks(literal: object) -> bool:
    """Whether a value asks for any processors; None and an empty list are dropped by another rule."""
    return literal is UNRESOLVED or literal not in (None, [])


def asked_afterwards(file: FileFacts, site: Site) -> str:
    """The name of a processor that the function asks for something after it was given; "" for none."""
    following = _NEXT_FUNCTION.search(file.source, site.span.end)
    rest = file.source[site.span.end : following.start() if following else None]
    names: list[str] = re.findall(r"(?<![\w.])[A-Za-z_]\w*(?![\w.(])", site.source)
    for name in names:
        if re.search(rb"(?<![\w.])%s\.\w+\(" % name.encode(), rest):
            return name
    return ""
