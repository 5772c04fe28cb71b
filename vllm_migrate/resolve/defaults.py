"""Where the values live that code hands to an engine: fields of its dataclasses and options of its parser.

`LLM(swap_space=cfg.swap_space)` is one place to mend, the field `swap_space: int = 4` another, and with
`LLM(**asdict(cfg))` the field is the only one. Others may read a field or give an option, so these places are
told and never edited.
"""

from __future__ import annotations

import ast
import re
from functools import cached_property
from typing import TYPE_CHECKING

from vllm_migrate.files.located import Argument, Certainty, Declaration, Form, Span, Value
from vllm_migrate.resolve.configurations import option_name
from vllm_migrate.resolve.meaning import Kind
from vllm_migrate.resolve.syntax import last_name
from vllm_migrate.resolve.vocabulary import ENGINE_ARGUMENTS, SAMPLING, owner_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Call
    from vllm_migrate.files.positions import SourceText
    from vllm_migrate.resolve.calls import CallReader
    from vllm_migrate.resolve.names import Names
    from vllm_migrate.resolve.syntax import Syntax

_AS_DICT = frozenset({"asdict", "vars", "to_dict", "model_dump", "dict"})
_PARSED = frozenset({"parse_args", "parse_known_args", "parse_intermixed_args"})
FROM_OPTIONS = frozenset({"vllm.EngineArgs.from_cli_args", "vllm.AsyncEngineArgs.from_cli_args"})
TAKE_DEFAULTS = ENGINE_ARGUMENTS | {SAMPLING} | FROM_OPTIONS
_DEEPEST = 4


_AS_MAPPING = re.compile(
    r"\*\*.*(?:\basdict\(|\bvars\(|__dict__|\.to_dict\(|\.model_dump\(|\.dict\()", re.DOTALL
)
_ATTRIBUTE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")


def calls_with_objects(file: FileFacts, matters: Callable[[str], bool]) -> list[Call]:
    """The calls that take their arguments, or one that matters, from an object's fields.

    Args:
        file: as it was read.
        matters: whether something may be found in an engine argument of that name.
    """
    return [call for call in file.calls if _takes_object(file, call, matters)]


def _takes_object(file: FileFacts, call: Call, matters: Callable[[str], bool]) -> bool:
    if call.dead or call.target not in TAKE_DEFAULTS:
        return False
    if call.target in FROM_OPTIONS or (call.open_ended and _AS_MAPPING.search(file.text(call.span))):
        return True
    return any(
        _ATTRIBUTE.fullmatch(one.value.source.strip()) is not None and matters(one.name)
        for one in call.arguments
    )


def shared_fields(call: ast.Call) -> list[ast.keyword]:
    """The keywords of a call that take a field which the same call takes by its own name.

    With `LLM(max_model_len=config.max_model_len, max_seq_len_to_capture=config.max_model_len)` the field is
    the first argument's, and only the keyword is the second one's.
    """
    taken = {k.arg: ast.dump(k.value) for k in call.keywords if isinstance(k.value, ast.Attribute)}
    return [
        k
        for k in call.keywords
        if isinstance(k.value, ast.Attribute)
        and k.arg != k.value.attr
        and taken.get(k.value.attr) == ast.dump(k.value)
    ]


class DefaultReader:
    """Answers for one file."""

    def __init__(self, syntax: Syntax, names: Names, text: SourceText, calls: CallReader) -> None:
        self._syntax = syntax
        self._names = names
        self._text = text
        self._calls = calls

    def read(self, calls: Iterable[Call]) -> tuple[Argument, ...]:
        """The defaults that reach a constructor of vLLM's, each once."""
        found: dict[tuple[Span, str], Argument] = {}
        for node, call in zip(self._calls.nodes, calls, strict=True):
            if call.target in TAKE_DEFAULTS:
                for one in self._of_call(node, call):
                    found.setdefault((one.span, one.name), one)
        return tuple(found.values())

    def of_others(self, fields: Mapping[tuple[str, str], tuple[str, str]]) -> Iterator[Argument]:
        """The defaults that reach a constructor in another file.

        Args:
            fields: the class that declares each field, "" for an option, and its name: what takes it, and the
                name that it is taken by.
        """
        for class_ in self._syntax.all(ast.ClassDef):
            for field in class_.body:
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    taken = fields.get((class_.name, field.target.id))
                    if taken is not None:
                        yield self._place(field, taken[1], taken[0], dead=False)
        for name, option in self._options.items():
            taken = fields.get(("", name))
            if taken is not None:
                yield self._option(option, taken[1], taken[0], dead=False)

    def _of_call(self, node: ast.Call, call: Call) -> Iterator[Argument]:
        if call.target in FROM_OPTIONS:
            for name, option in self._options.items() if node.args else ():
                yield self._option(option, name, "engine", dead=call.dead)
            return
        owner = owner_of(call.target)
        shared = shared_fields(node)
        for keyword in node.keywords:
            value = keyword.value
            if keyword.arg is None:
                source = self._as_dict(value, 0)
                for name, place in self._fields(source).items() if source is not None else ():
                    yield self._place(place, name, owner, dead=call.dead)
            elif isinstance(value, ast.Attribute) and keyword not in shared:
                field = self._fields(value.value).get(value.attr)
                if field is not None:
                    yield self._place(field, keyword.arg, owner, dead=call.dead)

    def _as_dict(self, node: ast.expr, depth: int) -> ast.expr | None:
        """The object whose fields a mapping holds: `asdict(x)`, `vars(x)`, `x.__dict__`."""
        if isinstance(node, ast.Attribute) and node.attr == "__dict__":
            return node.value
        if isinstance(node, ast.Call):
            name = last_name(node.func)
            if name in _AS_DICT and node.args:
                return self._as_dict(node.args[0], depth + 1) if name == "dict" else node.args[0]
            method = name in ("to_dict", "model_dump") and isinstance(node.func, ast.Attribute)
            return node.func.value if method and isinstance(node.func, ast.Attribute) else None
        if isinstance(node, ast.Name) and depth < _DEEPEST:
            found = self._syntax.lookup(node.id, node)
            values = [b.node for b in found[1] if b.kind == "value" and not b.path] if found else []
            return self._first(values, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return self._first((node.left, node.right), depth)
        if isinstance(node, ast.Dict):
            spread = zip(node.keys, node.values, strict=True)
            return self._first([value for key, value in spread if key is None], depth)
        return None

    def _first(self, nodes: Iterable[ast.AST], depth: int) -> ast.expr | None:
        """The first of several mappings that holds an object's fields."""
        if depth >= _DEEPEST:
            return None
        objects = (self._as_dict(node, depth + 1) for node in nodes if isinstance(node, ast.expr))
        return next((found for found in objects if found is not None), None)

    def _fields(self, node: ast.expr) -> dict[str, ast.AnnAssign | ast.Call]:
        """The fields of an object of the file's own class, or the options of what a parser returned."""
        meaning = self._names.of(node)
        if meaning is not None and meaning.kind is Kind.OBJECT and isinstance(meaning.node, ast.ClassDef):
            return {
                field.target.id: field
                for field in meaning.node.body
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
            }
        return dict(self._options) if self._options and self._is_parsed(node) else {}

    def _is_parsed(self, node: ast.expr) -> bool:
        """Whether an object is what the file's parser returned, or a parameter called `args` that may be."""
        if isinstance(node, ast.Call):
            return getattr(node.func, "attr", "") in _PARSED
        if isinstance(node, ast.Attribute):
            return node.attr.endswith("args")
        found = self._syntax.lookup(node.id, node) if isinstance(node, ast.Name) else None
        return any(
            (isinstance(b.node, ast.expr) and not isinstance(b.node, ast.Name) and self._is_parsed(b.node))
            or (b.kind == "parameter" and getattr(node, "id", "").endswith("args"))
            for b in (found[1] if found else ())
        )

    @cached_property
    def _options(self) -> dict[str, ast.Call]:
        if b"add_argument" not in self._text.source:
            return {}
        return {
            name: call
            for call in self._syntax.all(ast.Call)
            if getattr(call.func, "attr", "") == "add_argument" and (name := option_name(call))
        }

    # Places

    def _place(self, place: ast.AnnAssign | ast.Call, name: str, owner: str, *, dead: bool) -> Argument:
        if isinstance(place, ast.Call):
            return self._option(place, name, owner, dead=dead)
        value = self._calls.value(place.value) if place.value is not None else Value("")
        value_span = self._text.span(place.value) if place.value is not None else None
        spans = (self._text.span(place), self._text.span(place.target), value_span)
        class_ = self._syntax.parents.get(place)
        declared = None
        if isinstance(class_, ast.ClassDef):
            fields = [one for one in class_.body if isinstance(one, ast.AnnAssign)]
            declared = Declaration(self._text.span(place), class_.name, fields.index(place))
        return self._told(owner, name, value, spans, declared, dead=dead)

    def _option(self, option: ast.Call, name: str, owner: str, *, dead: bool) -> Argument:
        default = next((k.value for k in option.keywords if k.arg == "default"), None)
        value = self._calls.value(default) if default is not None else Value("")
        value_span = self._text.span(default) if default is not None else None
        named = next((a for a in option.args if isinstance(a, ast.Constant)), option.func)
        spans = (self._text.span(option), self._text.span(named), value_span)
        alone = isinstance(self._syntax.parents.get(option), ast.Expr)
        declared = Declaration(self._text.span(option)) if alone else None
        return self._told(owner, name, value, spans, declared, dead=dead)

    @staticmethod
    def _told(
        owner: str,
        name: str,
        value: Value,
        spans: tuple[Span, Span, Span | None],
        declared: Declaration | None,
        *,
        dead: bool,
    ) -> Argument:
        span, name_span, value_span = spans
        return Argument(
            owner, name, value, Form.KEY, span, name_span, value_span,
            certainty=Certainty.LIKELY, dead=dead, fixed=True, declared=declared,
        )  # fmt: skip
