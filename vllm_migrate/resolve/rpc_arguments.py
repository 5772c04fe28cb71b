"""What is sent to the workers that isn't plain data: functions, dtypes, tensors."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from vllm_migrate.files.located import Certainty
from vllm_migrate.files.weight_sync import RpcArgument
from vllm_migrate.resolve import vocabulary as known
from vllm_migrate.resolve.meaning import Kind
from vllm_migrate.resolve.syntax import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from vllm_migrate.files.positions import SourceText
    from vllm_migrate.resolve.names import Names
    from vllm_migrate.resolve.syntax import Binding, Syntax
    from vllm_migrate.resolve.versions import VersionGates

_AS_TEXT = re.compile(rb"[\"']collective_rpc[\"']")
_SENDERS = frozenset({"collective_rpc", "apply_model"})
_DTYPE = re.compile(r"^torch\.(?:b?float\d*\w*|half|double|u?int\d+|short|long|bool|complex\w*|q?u?int\d+)$")
_HANDLE = re.compile(r"^(?:\w+_)?ipc_handles?$")
_MAKES_DTYPE = re.compile(r"torch_dtype$")
_DTYPE_NAME = re.compile(r"^(?:\w+_)?dtype$")
# Methods and attributes of a tensor that are a tensor again.
_STAYS_TENSOR = frozenset(
    {"data", "cpu", "cuda", "detach", "clone", "contiguous", "full_tensor", "to", "float"}
)


class RpcArgumentReader:
    """Finds them in one file."""

    def __init__(self, syntax: Syntax, names: Names, text: SourceText, gates: VersionGates) -> None:
        self._syntax = syntax
        self._names = names
        self._text = text
        self._gates = gates

    def arguments(self) -> tuple[RpcArgument, ...]:
        """Everything of the kind, in source order."""
        if not (b"collective_rpc" in self._text.source or b"apply_model" in self._text.source):
            return ()
        found: list[RpcArgument] = []
        for call in self._syntax.in_order(ast.Call):
            meaning = self._sender(call.func)
            if meaning is not None:
                found += self._sent(call, call.args, *meaning)
            elif call.args and not isinstance(call.func, ast.Name):
                handed_on = self._sender(call.args[0])  # add_task(llm.collective_rpc, "method", args=...)
                if handed_on is not None:
                    found += self._sent(call, call.args[1:], *handed_on)
        if _AS_TEXT.search(self._text.source):
            found += self._in_messages()
        return tuple(sorted(found, key=lambda one: one.span))

    def _in_messages(self) -> Iterator[RpcArgument]:
        """`{"method": "collective_rpc", "kwargs": {...}}`, as it is sent to the process with the engine."""
        for message in self._syntax.in_order(ast.Dict):
            entries = _entries(message)
            asked = entries.get("method")
            if not (isinstance(asked, ast.Constant) and asked.value == "collective_rpc"):
                continue
            keywords = self._written_out(entries.get("kwargs"))
            what = keywords.get("method")
            if not (isinstance(what, ast.Constant) and isinstance(what.value, str)):
                continue
            yield from self._listed(message, what.value, keywords, None, Certainty.CERTAIN)

    def _written_out(self, node: ast.expr | None) -> dict[str, ast.expr]:
        """The entries of a dictionary that is written out, or that a name stands for."""
        if isinstance(node, ast.Name):
            found = self._syntax.lookup(node.id, node)
            bound = found[1] if found is not None else []
            near = bound[0].node if len(bound) == 1 and bound[0].kind == "value" else None
            return self._written_out(near) if isinstance(near, ast.Dict) else {}
        return _entries(node) if isinstance(node, ast.Dict) else {}

    def _sender(self, node: ast.expr) -> tuple[str, Certainty] | None:
        """The method of an engine that an expression is, where it sends something to the workers."""
        if not isinstance(node, ast.Attribute):
            return None
        meaning = self._names.of(node)
        if meaning is None or meaning.kind is not Kind.METHOD:
            return None
        owner, _, method = meaning.name.rpartition(".")
        if owner not in known.ENGINES or method not in _SENDERS:
            return None
        return method, meaning.certainty

    def _sent(
        self, call: ast.Call, positional: list[ast.expr], sender: str, certainty: Certainty
    ) -> Iterator[RpcArgument]:
        keywords = {k.arg: k.value for k in call.keywords if k.arg}
        what = positional[0] if positional else keywords.get("method", keywords.get("func"))
        if what is None:
            return
        method = what.value if isinstance(what, ast.Constant) and isinstance(what.value, str) else ""
        if not method:
            if self._is_function(what):
                yield self._argument(call, what, "function", ("", ""), certainty)
            if sender == "apply_model":
                return
        third = positional[2] if len(positional) > 2 else None  # noqa: PLR2004 (method, timeout, args)
        yield from self._listed(call, method, keywords, third, certainty)

    def _listed(
        self,
        call: ast.expr,
        method: str,
        keywords: Mapping[str, ast.expr],
        third: ast.expr | None,
        certainty: Certainty,
    ) -> Iterator[RpcArgument]:
        """What stands in `args` and `kwargs`."""
        arguments = keywords.get("args", third)
        if isinstance(arguments, (ast.Tuple, ast.List)):
            for index, node in enumerate(arguments.elts):
                yield from self._classified(call, node, method, str(index), certainty)
        named = keywords.get("kwargs")
        if isinstance(named, ast.Dict):
            for key, node in zip(named.keys, named.values, strict=True):
                if isinstance(key, ast.Constant):
                    yield from self._classified(call, node, method, str(key.value), certainty)

    def _classified(
        self, call: ast.expr, node: ast.expr, method: str, place: str, certainty: Certainty
    ) -> Iterator[RpcArgument]:
        dtype = self._is_dtype(node)
        if dtype is not None:
            sure = certainty if dtype is Certainty.CERTAIN else Certainty.LIKELY
            yield self._argument(call, node, "dtype", (method, place), sure)
        elif self._is_tensor(node):
            yield self._argument(call, node, "tensor", (method, place), certainty)
        elif isinstance(node, (ast.Name, ast.Attribute)) and _HANDLE.match(_last(node)):
            yield self._argument(call, node, "handle", (method, place), Certainty.LIKELY)
        elif isinstance(node, ast.Lambda):
            yield self._argument(call, node, "function", (method, place), certainty)

    def _argument(
        self, call: ast.expr, node: ast.expr, kind: str, place: tuple[str, str], certainty: Certainty
    ) -> RpcArgument:
        return RpcArgument(
            kind=kind,
            method=place[0],
            place=place[1],
            span=self._text.span(node),
            source=" ".join(self._text.written(self._text.span(node)).split()),
            call=self._text.span(call),
            certainty=certainty,
            dead=self._gates.is_dead(call),
        )

    def _is_function(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Lambda):
            return True
        meaning = self._names.of(node) if isinstance(node, ast.Name) else None
        return meaning is not None and meaning.kind is Kind.FUNCTION and isinstance(meaning.node, FUNCTIONS)

    def _is_dtype(self, node: ast.expr, depth: int = 0) -> Certainty | None:
        """How sure it is that an expression is a torch.dtype; None where it is none."""
        if isinstance(node, ast.Attribute):
            if _DTYPE.match(self._names.qualified(node)):
                return Certainty.CERTAIN
            return Certainty.CERTAIN if node.attr == "dtype" and not self._is_text_field(node) else None
        if isinstance(node, ast.Call):
            return self._looked_up(node)
        if not isinstance(node, ast.Name) or depth:
            return None
        found = self._syntax.lookup(node.id, node)
        if found is None:
            return None
        last = self._assigned_last(found[1], node)
        if last is not None:
            return self._is_dtype(last, 1)
        sure = [self._dtype_bound(binding, node.id) for binding in found[1]]
        if any(one is None for one in sure):
            return None
        return Certainty.CERTAIN if all(one is Certainty.CERTAIN for one in sure) else Certainty.LIKELY

    def _assigned_last(self, bindings: Sequence[Binding], node: ast.Name) -> ast.expr | None:
        """The value of a name's last assignment above, where nothing decides whether that is run."""
        above = [
            binding.node
            for binding in bindings
            if binding.kind == "value" and isinstance(binding.node, ast.expr) and not binding.path
            if binding.node.lineno < node.lineno
        ]
        if not above:
            return None
        last = max(above, key=lambda value: value.lineno)
        statement = self._syntax.parents[last]
        around = self._syntax.parents.get(statement)
        return last if around is not None and around in self._syntax.ancestors(node) else None

    def _is_text_field(self, node: ast.Attribute) -> bool:
        """Whether it is the field of a class in this file that says it is text, as a request's is."""
        owner = node.value
        found = self._syntax.lookup(owner.id, owner) if isinstance(owner, ast.Name) else None
        kinds = {ast.unparse(b.annotation) for b in found[1] if b.annotation} if found is not None else set()
        return any(
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and field.target.id == node.attr
            and "str" in ast.unparse(field.annotation)
            for written in (self._syntax.all(ast.ClassDef) if kinds else ())
            if written.name in kinds
            for field in written.body
        )

    def _dtype_bound(self, binding: Binding, name: str) -> Certainty | None:
        if binding.kind == "parameter":
            if binding.annotation is None:
                return Certainty.LIKELY if _DTYPE_NAME.match(name) else None
            return Certainty.CERTAIN if ast.unparse(binding.annotation).endswith("torch.dtype") else None
        if binding.kind == "value" and isinstance(binding.node, ast.expr):
            return self._is_dtype(binding.node, 1)
        return None

    @staticmethod
    def _looked_up(node: ast.Call) -> Certainty | None:
        """`getattr(torch, name)`, `torch.__getattribute__(name)` and `str_to_torch_dtype(name)`."""
        func = node.func
        if _MAKES_DTYPE.search(_last(func) if isinstance(func, (ast.Name, ast.Attribute)) else ""):
            return Certainty.LIKELY
        by_name = isinstance(func, ast.Name) and func.id == "getattr" and node.args
        owner = node.args[0] if by_name else func.value if isinstance(func, ast.Attribute) else None
        asked = by_name or (isinstance(func, ast.Attribute) and func.attr == "__getattribute__")
        is_torch = isinstance(owner, ast.Name) and owner.id == "torch"
        return Certainty.CERTAIN if asked and is_torch else None

    def _is_tensor(self, node: ast.expr) -> bool:
        while isinstance(node, (ast.Attribute, ast.Call)):
            inner = node.func if isinstance(node, ast.Call) else node
            if not isinstance(inner, ast.Attribute) or inner.attr not in _STAYS_TENSOR:
                return False
            node = inner.value
        if not isinstance(node, ast.Name):
            return False
        found = self._syntax.lookup(node.id, node)
        return found is not None and all(
            binding.kind == "element" and binding.path == (1,) and _gives_parameters(binding.node)
            for binding in found[1]
        )


def _entries(node: ast.Dict) -> dict[str, ast.expr]:
    """The entries of a dictionary whose keys are text."""
    return {
        key.value: value
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }


def _last(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def _gives_parameters(node: ast.AST) -> bool:
    """`model.named_parameters()`, `model.state_dict().items()`."""
    names = {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
    return "named_parameters" in names or {"state_dict", "items"} <= names
