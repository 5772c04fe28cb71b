"""Calls that reach vLLM or TRL, with every argument that reaches them, however it is written."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from vllm_migrate.files.located import UNRESOLVED, Argument, Call, Certainty, Form, Span, Value
from vllm_migrate.resolve import vocabulary as known
from vllm_migrate.resolve.meaning import Forward, Kind, Meaning
from vllm_migrate.resolve.own_mapping import own_mapping
from vllm_migrate.resolve.syntax import last_name

if TYPE_CHECKING:
    from vllm_migrate.files.positions import SourceText
    from vllm_migrate.resolve.mappings import Entry, Mappings
    from vllm_migrate.resolve.names import Names
    from vllm_migrate.resolve.syntax import Syntax
    from vllm_migrate.resolve.versions import VersionGates

# A receiver that is called like this, in a file that imports vLLM, may be an engine: worth a note, never an
# edit.
_ENGINE_LIKE = re.compile(r"(?:^|_)(?:llm|vllm|vllm_engine|llm_engine|inference_engine|vllm_model)$")
_TELLING_KEYWORDS = {"prompt_token_ids", "sampling_params"}
_QUOTED = re.compile(r"^[uUrR]?('''|\"\"\"|'|\")")


class CallReader:
    """Turns call nodes into located calls."""

    def __init__(
        self, syntax: Syntax, names: Names, text: SourceText, mappings: Mappings, gates: VersionGates
    ) -> None:
        self._syntax = syntax
        self._names = names
        self._text = text
        self._mappings = mappings
        self._gates = gates
        self.nodes: list[ast.Call] = []  # of the calls that `read` gives back, in the same order
        self._dict_arguments: dict[tuple[ast.AST, str], Argument] = {}
        self._imports_vllm = any(
            alias.name.partition(".")[0] == "vllm" for node in syntax.all(ast.Import) for alias in node.names
        ) or any(names.module_of(node).partition(".")[0] == "vllm" for node in syntax.all(ast.ImportFrom))
        self.main_guards = [node for node in syntax.all(ast.If) if is_main_guard(node.test)]

    def read(self) -> tuple[tuple[Call, ...], tuple[Argument, ...]]:
        """All calls in source order, and all their arguments, each once."""
        calls: list[Call] = []
        arguments: list[Argument] = []
        for node in self._syntax.in_order(ast.Call):
            call = self._call(node, len(calls))
            if call is None:
                continue
            calls.append(call)
            self.nodes.append(node)
            arguments += [a for a in call.arguments if a.call == len(calls) - 1]
        return tuple(calls), tuple(sorted(arguments, key=lambda a: a.span))

    # One call

    def _call(self, node: ast.Call, index: int) -> Call | None:
        callee = self._names.of(node.func)
        target, certainty, forward = self._target(node, callee)
        if not target:
            return None
        positional = node.args
        func: ast.expr = node.func
        if callee is not None and callee.kind is Kind.NAME and not known.is_known(callee.name):
            positional = node.args[1:]  # functools.partial(LLM, ...)
        presets = positional is not node.args and all(keyword.arg for keyword in node.keywords)
        own = forward.own if forward is not None else frozenset()
        owner = known.owner_of(target)
        arguments: list[Argument] = []
        open_ended = callee is not None and callee.kind is Kind.PARTIAL
        open_ended = open_ended or positional is not node.args
        for keyword in node.keywords:
            if keyword.arg is not None:
                if keyword.arg not in own:
                    arguments.append(self._keyword(keyword, owner, index, certainty))
                continue
            mapping = self._mappings.of(keyword.value)
            open_ended = open_ended or mapping.open
            entries = [e for e in mapping.entries if e.name not in own]
            arguments += [self._entry(e, owner, index, certainty) for e in entries]
        open_ended = open_ended or any(isinstance(a, ast.Starred) for a in positional)
        if forward is not None:
            if forward != Forward(target):
                positional = []  # they are the wrapper's own, not those of what it hands on to
            if not arguments and callee is not None and callee.kind is Kind.FUNCTION:
                return None
            open_ended = open_ended or forward.fixes
        own_dict = own_mapping(self._syntax, node) if open_ended and owner == "engine" else None
        return Call(
            target=target,
            span=self._text.span(node),
            callee=self._text.span(func),
            receiver=self._text.written(self._text.span(func.value))
            if isinstance(func, ast.Attribute)
            else "",
            arguments=tuple(arguments),
            positional=tuple((self.value(a), self._text.span(a)) for a in positional),
            open_ended=open_ended,
            wrapped=(forward is not None and forward.fixes)
            or (callee is not None and callee.kind is Kind.PARTIAL),
            presets=presets,
            own_mapping=own_dict[0] if own_dict else "",
            own_mapping_before=self._text.span(own_dict[1]) if own_dict else None,
            function=self._syntax.qualname(node),
            at_import=positional is node.args and self.at_import(node),  # a partial builds nothing yet
            certainty=certainty,
            dead=self._gates.is_dead(node),
        )

    def _target(self, node: ast.Call, callee: Meaning | None) -> tuple[str, Certainty, Forward | None]:
        """What a call reaches, how sure that is, and the user's function in between, if there is one."""
        if callee is None:
            return (*self._guessed(node), None)
        kind = callee.kind
        if kind is Kind.NAME:
            if known.is_known(callee.name):
                return known.canonical(callee.name), callee.certainty, None
            made = self._names.of(node)
            if made is not None and made.kind is Kind.PARTIAL:
                return made.name, made.certainty, None
            return "", callee.certainty, None
        if kind in (Kind.METHOD, Kind.CONSTRUCTOR, Kind.PARTIAL):
            return callee.name, callee.certainty, None
        forward: Forward | None = None
        if kind is Kind.CLASS or (kind is Kind.REMOTE_CLASS and _ends_with(node.func, "remote")):
            initialiser = self._names.user.method(callee, "__init__")
            base = self._names.user.vllm_base(callee)
            if initialiser is not None:
                forward = initialiser.forward
            elif base is not None:
                return base.name, Certainty.LIKELY, Forward(base.name)
        elif kind is Kind.FUNCTION:
            forward = self._names.user.function(callee).forward
        return (
            (forward.target, Certainty.LIKELY, forward)
            if forward is not None
            else ("", callee.certainty, None)
        )

    def _guessed(self, node: ast.Call) -> tuple[str, Certainty]:
        func = node.func
        if not (self._imports_vllm and isinstance(func, ast.Attribute) and func.attr == "generate"):
            return "", Certainty.GUESS
        receiver = func.value
        name = last_name(receiver)
        told = any(k.arg in _TELLING_KEYWORDS for k in node.keywords)
        if told and self._is_handed_to_base(receiver):
            return "vllm.LLM.generate", Certainty.LIKELY
        return ("vllm.LLM.generate" if told and _ENGINE_LIKE.search(name) else ""), Certainty.GUESS

    def _is_handed_to_base(self, receiver: ast.expr) -> bool:
        """Whether a base class keeps what is asked, and the constructor is given an `LLM` for it.

        `self._model` of a class whose `__init__(self, model: LLM)` hands the model on to `super().__init__`.
        """
        class_ = self._syntax.self_attribute(receiver)
        if class_ is None or not class_.bases or not isinstance(receiver, ast.Attribute):
            return False
        if receiver.attr in self._syntax.attribute_bindings.get(class_, {}):
            return False
        constructor = next((one for one in class_.body if getattr(one, "name", "") == "__init__"), None)
        if not isinstance(constructor, ast.FunctionDef):
            return False
        every = (*constructor.args.args, *constructor.args.kwonlyargs)
        given = {
            one.arg
            for one in every
            if one.annotation is not None
            and known.canonical(self._names.qualified(one.annotation) or "") == "vllm.LLM"
        }
        return any(one.strip("_") == receiver.attr.strip("_") for one in given)

    # Arguments

    def _keyword(self, keyword: ast.keyword, owner: str, call: int, certainty: Certainty) -> Argument:
        assert keyword.arg is not None  # noqa: S101 (the caller has looked)
        span = self._text.span(keyword)
        name_end = span.start + len(self._text.encode(keyword.arg))
        return Argument(
            owner,
            keyword.arg,
            self.value(keyword.value),
            Form.KEYWORD,
            span,
            Span(span.start, name_end),
            self._text.span(keyword.value),
            call,
            certainty,
            self._gates.is_dead(keyword),
        )

    def _entry(self, entry: Entry, owner: str, call: int, certainty: Certainty) -> Argument:
        """An entry of a dictionary; one that reaches several calls belongs to the first."""
        known_one = self._dict_arguments.get((entry.holder, entry.name))
        if known_one is not None:
            return known_one
        if certainty is Certainty.CERTAIN and (not entry.certain or entry.shared):
            certainty = Certainty.LIKELY
        value_span = self._text.span(entry.value)
        if isinstance(entry.key, ast.keyword):
            key_start = self._text.span(entry.key).start
            name_span = Span(key_start, key_start + len(self._text.encode(entry.name)))
        else:
            assert isinstance(entry.key, ast.expr)  # noqa: S101 (a key is a keyword or an expression)
            name_span = self.inside_quotes(entry.key)
        if isinstance(entry.holder, ast.expr):
            span = Span(self._text.span(entry.holder).start, value_span.end)
        else:
            assert isinstance(entry.holder, (ast.stmt, ast.keyword))  # noqa: S101 (the other holders)
            span = self._text.span(entry.holder)
        argument = Argument(
            owner,
            entry.name,
            self.value(entry.value),
            Form.DICT,
            span,
            name_span,
            value_span,
            call,
            certainty,
            self._gates.is_dead(entry.value),
        )
        self._dict_arguments[entry.holder, entry.name] = argument
        return argument

    def inside_quotes(self, node: ast.expr) -> Span:
        """What stands between a string's quotes, where it is written plainly; else the whole expression."""
        span = self._text.span(node)
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            return span
        written = self._text.written(span)
        match = _QUOTED.match(written)
        if match is None:
            return span
        quote, head = match[1], match.end()
        inner = written[head : len(written) - len(quote)]
        return Span(span.start + head, span.end - len(quote)) if inner == node.value else span

    def value(self, node: ast.expr) -> Value:
        """An expression as a value."""
        source = self._text.written(self._text.span(node))
        return Value(source, _literal(node), self._names.qualified(node))

    def at_import(self, node: ast.expr) -> bool:
        """Whether a node runs when its module is imported."""
        guarded = any(g.lineno <= node.lineno <= (g.end_lineno or g.lineno) for g in self.main_guards)
        return not guarded and not self._syntax.deferred(node)


def is_main_guard(test: ast.expr) -> bool:
    """Whether a test is `__name__ == "__main__"`."""
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)):
        return False
    sides = (test.left, test.comparators[0])
    return any(isinstance(s, ast.Name) and s.id == "__name__" for s in sides) and any(
        isinstance(s, ast.Constant) and s.value == "__main__" for s in sides
    )


def _ends_with(func: ast.expr, name: str) -> bool:
    return isinstance(func, ast.Attribute) and func.attr == name


def _literal(node: ast.expr) -> object:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, (ast.UnaryOp, ast.List, ast.Dict, ast.Tuple, ast.Set)):
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, RecursionError):
            return UNRESOLVED
    return UNRESOLVED
