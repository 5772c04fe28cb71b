"""What clients of vLLM's server write into the body of a request and only vLLM understands."""

from __future__ import annotations

import ast
from functools import cached_property
from typing import TYPE_CHECKING

from vllm_migrate.files.located import Argument, Certainty, Form, Span
from vllm_migrate.resolve.request_fields import BODY_FIELDS, is_of_another_server
from vllm_migrate.resolve.syntax import last_name

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
_SENT_AS = _BODIES | {"data"}
_NAMED = ("body", "payload", "request_json")
"""How names end that say of a dictionary that it is sent: "extra_body", "payload"."""
_NOT_SENT = "guided_options_request"  # an argument of V0's own generate()


class RequestReader:
    """Finds the fields of requests.

    A dictionary that is filled is a request where it is written out in the file, is passed as a body, or says
    by its name that it is one; otherwise it is whatever it was taken from, such as the arguments of a
    function or a request that a server of the project's own has received. One that an object of a class is
    made of, `PredictRequest(args=fields)`, goes to that class. With several fields that neither
    OpenAI's API nor vLLM's has it is sent to another server.
    """

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
            if (
                not found
                or self._passed_as(literal) == _NOT_SENT
                or is_of_another_server(self._fields(literal))
            ):
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
                and self._is_request(target.value)
            ):
                name = _text(target.slice)
                yield self._argument(
                    name, target.slice, node.value, self._text.span(node), sure=False, alone=True
                )

    def _is_request(self, filled: ast.expr) -> bool:
        """Whether a dictionary that a field is written into is one that is sent to vLLM's server."""
        called = last_name(filled)
        given = self._given(filled)
        written = {_text(key) for value in given for key in _keys(value)} | self._put(filled)
        if is_of_another_server(written - {""}) or self._is_wrapped(filled):
            return False
        return (
            called.endswith(_NAMED)
            or any(_is_written_out(value) for value in given)
            or bool(written & BODY_FIELDS)
            or self._is_sent(filled)
        )

    def _fields(self, literal: ast.Dict) -> set[str]:
        """The keys of a literal, and of the dictionary that it is bound to by a name."""
        fields = {_text(key) for key in literal.keys if key is not None}
        parent = self._syntax.parents[literal]
        target = parent.targets[0] if isinstance(parent, ast.Assign) else getattr(parent, "target", None)
        if isinstance(target, (ast.Name, ast.Attribute)):
            fields |= self._put(target)
        return fields - {""}

    def _given(self, name: ast.expr) -> list[ast.expr]:
        """The values that a name is bound to in its scope."""
        found = self._syntax.lookup(name.id, name) if isinstance(name, ast.Name) else None
        bound = found[1] if found is not None else []
        return [one.node for one in bound if one.kind == "value" and isinstance(one.node, ast.expr)]

    def _put(self, filled: ast.expr) -> set[str]:
        """The fields that are written into a dictionary in the same function."""
        function, text = self._syntax.function(filled), ast.unparse(filled)
        return {
            _text(node.slice)
            for node in self._stores.get(last_name(filled), ())
            if self._syntax.function(node) is function and ast.unparse(node.value) == text
        }

    @cached_property
    def _stores(self) -> dict[str, list[ast.Subscript]]:
        found: dict[str, list[ast.Subscript]] = {}
        for node in self._syntax.all(ast.Subscript):
            if isinstance(node.ctx, ast.Store):
                found.setdefault(last_name(node.value), []).append(node)
        return found

    def _is_sent(self, filled: ast.expr) -> bool:
        """Whether a dictionary is passed as a body, as it is or as JSON text."""
        text = ast.unparse(filled)
        for call in self._syntax.all(ast.Call):
            for keyword in call.keywords:
                value = keyword.value
                if isinstance(value, ast.Call) and len(value.args) == 1:
                    value = value.args[0]  # json.dumps(body)
                if keyword.arg in _SENT_AS and ast.unparse(value) == text:
                    return True
                if keyword.arg is None and _ends_in_create(call) and ast.unparse(keyword.value) == text:
                    return True
        return False

    def _is_wrapped(self, filled: ast.expr) -> bool:
        """Whether a dictionary is an argument of an object that is made of it, and is sent nowhere here.

        `PredictRequest(args=fields)` is a message in a form of the project's own: whoever takes it does with
        the fields what it likes, such as making `SamplingParams` of them.
        """
        text = ast.unparse(filled)
        makes = any(
            last_name(call.func)[:1].isupper()
            and any(ast.unparse(value) == text for value in (*call.args, *_by_name(call)))
            for call in self._syntax.all(ast.Call)
        )
        return makes and not self._is_sent(filled)

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


def _by_name(call: ast.Call) -> list[ast.expr]:
    return [keyword.value for keyword in call.keywords if keyword.arg is not None]


def _keys(value: ast.expr) -> list[ast.expr]:
    return [key for key in value.keys if key is not None] if isinstance(value, ast.Dict) else []


def _is_written_out(value: ast.expr) -> bool:
    """Whether a dictionary starts from nothing or from fields of its own."""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "dict":
        return not value.args
    return isinstance(value, ast.Dict)


def _ends_in_create(call: ast.Call) -> bool:
    """Whether it is a call such as `client.chat.completions.create` or litellm's `completion`."""
    return last_name(call.func) in ("acompletion", "completion", "create")


def _handed_through(value: ast.expr, name: str) -> bool:
    """Whether a field is taken out of a request of the same form, as by a server with an API of its own."""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.args:
        return value.func.attr in ("get", "pop") and _text(value.args[0]) == name
    return isinstance(value, ast.Subscript) and _text(value.slice) == name
