"""What clients of vLLM's server write into the body of a request and only vLLM understands."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.files.located import Argument, Certainty, Form, Span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.files.positions import SourceText
    from vllm_migrate.resolve.calls import CallReader
    from vllm_migrate.resolve.syntax import Syntax
    from vllm_migrate.resolve.versions import VersionGates

CONSTRAINTS = frozenset({"guided_json", "guided_regex", "guided_choice", "guided_grammar"})
_OPTIONS = frozenset({"guided_decoding_backend", "guided_whitespace_pattern"})
_FIELDS = CONSTRAINTS | _OPTIONS
_BODIES = frozenset({"extra_body", "json"})
"""Keywords by which clients take a body: the OpenAI client's, and that of requests and httpx."""
_NOT_SENT = "guided_options_request"  # an argument of V0's own generate()


class RequestReader:
    """Finds the fields of requests."""

    def __init__(self, syntax: Syntax, text: SourceText, gates: VersionGates, calls: CallReader) -> None:
        self._syntax = syntax
        self._text = text
        self._gates = gates
        self._calls = calls

    def arguments(self) -> tuple[Argument, ...]:
        """All fields in source order, with the owner "request".

        One that can't be renamed by itself, because others stand beside it, has no `value_span`.
        """
        return tuple(sorted((*self._literals(), *self._assigned()), key=lambda a: a.span))

    def _literals(self) -> Iterator[Argument]:
        for literal in self._syntax.all(ast.Dict):
            pairs = [(k, v) for k, v in zip(literal.keys, literal.values, strict=True) if k is not None]
            found = [(k, v, _text(k)) for k, v in pairs if _text(k) in _FIELDS]
            found = [one for one in found if not _handed_through(one[1], one[2])]
            if not found or self._passed_as(literal) == _NOT_SENT:
                continue
            sure = self._passed_as(literal) in _BODIES
            several = sum(name in CONSTRAINTS for _, _, name in found) > 1 or any(
                name == "guided_whitespace_pattern" for _, _, name in found
            )
            for key, value, name in found:
                span = Span(self._text.span(key).start, self._text.span(value).end)
                yield self._argument(name, key, value, span, sure=sure, alone=not several)

    def _assigned(self) -> Iterator[Argument]:
        for node in self._syntax.all(ast.Assign):
            target = node.targets[0]
            if (
                len(node.targets) == 1
                and isinstance(target, ast.Subscript)
                and _text(target.slice) in _FIELDS
                and not _handed_through(node.value, _text(target.slice))
            ):
                name = _text(target.slice)
                yield self._argument(
                    name, target.slice, node.value, self._text.span(node), sure=False, alone=True
                )

    def _passed_as(self, literal: ast.Dict) -> str:
        parent = self._syntax.parents[literal]
        return (parent.arg or "") if isinstance(parent, ast.keyword) else ""

    def _argument(
        self, name: str, key: ast.expr, value: ast.expr, span: Span, *, sure: bool, alone: bool
    ) -> Argument:
        return Argument(
            "request",
            name,
            self._calls.value(value),
            Form.DICT,
            span,
            self._calls.inside_quotes(key),
            self._text.span(value) if alone else None,
            certainty=Certainty.CERTAIN if sure else Certainty.LIKELY,
            dead=self._gates.is_dead(value),
        )


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _handed_through(value: ast.expr, name: str) -> bool:
    """Whether a field is taken out of a request of the same form, as by a server with an API of its own."""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.args:
        return value.func.attr in ("get", "pop") and _text(value.args[0]) == name
    return isinstance(value, ast.Subscript) and _text(value.slice) == name
