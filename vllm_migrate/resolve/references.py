"""Imports, dotted uses of what they bring, names in strings, and classes with a base of vLLM's."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from vllm_migrate.files.located import Certainty, ClassDefinition, Import, Reference, Span
from vllm_migrate.files.pins import pin_in
from vllm_migrate.resolve import vocabulary as known
from vllm_migrate.resolve.evaluated import never_evaluated
from vllm_migrate.resolve.meaning import Kind
from vllm_migrate.resolve.syntax import FUNCTIONS
from vllm_migrate.resolve.versions import guarded_by_try, under_type_checking

if TYPE_CHECKING:
    from vllm_migrate.files.located import Pin
    from vllm_migrate.files.positions import SourceText
    from vllm_migrate.resolve.calls import CallReader
    from vllm_migrate.resolve.names import Names
    from vllm_migrate.resolve.syntax import Syntax
    from vllm_migrate.resolve.versions import VersionGates

_DOTTED = re.compile(r"^(?:vllm|trl)(?:\.[A-Za-z_]\w*)+(?::[A-Za-z_]\w*)?$")
_LOGGERS = {"getLogger", "get_logger", "init_logger"}
_READS_TEXT = {
    "count",
    "endswith",
    "find",
    "index",
    "lstrip",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rstrip",
    "split",
    "startswith",
    "strip",
}
"""Methods of texts: a name that is handed to them is looked for or cut out, not imported."""
_PATCHERS = {"patch", "setattr", "delattr", "object", "patch_object", "enter_context"}


class ReferenceReader:
    """Finds imports, references and classes."""

    def __init__(
        self, syntax: Syntax, names: Names, text: SourceText, gates: VersionGates, calls: CallReader
    ) -> None:
        self._syntax = syntax
        self._names = names
        self._text = text
        self._gates = gates
        self._calls = calls

    def imports(self) -> tuple[Import, ...]:
        """Every imported name; later uses are listed for what lies under vLLM or TRL."""
        found: list[Import] = []
        for node in self._syntax.imports():
            statement = self._text.span(node)
            from_module = self._names.module_of(node) if isinstance(node, ast.ImportFrom) else ""
            guarded: bool | None = None
            for alias in node.names:
                if isinstance(node, ast.ImportFrom):
                    module, name, bound = from_module, alias.name, alias.asname or alias.name
                else:
                    module, name = alias.name, ""
                    bound = alias.asname or alias.name.partition(".")[0]
                if guarded is None:
                    guarded = self._guarded(node)
                meaning = self._names.imported(node, alias)
                concerns = known.is_known(module) or (
                    meaning is not None and (meaning.kind is not Kind.NAME or known.is_known(meaning.name))
                )
                found.append(
                    Import(
                        module=module,
                        name=name,
                        alias=bound,
                        span=self._text.span(alias),
                        statement=statement,
                        guarded=guarded,
                        dead=self._gates.is_dead(node),
                        uses=self._uses(node, bound) if concerns else (),
                        own=known.is_known(module) and self._names.is_own(module),
                        never_run=guarded and self._never_run(node, module),
                    )
                )
        return tuple(found)

    def _never_run(self, node: ast.stmt, module: str) -> bool:
        return under_type_checking(self._syntax, node, self._names) or (
            known.is_known(module) and self._gates.falls_back(node)
        )

    def _guarded(self, node: ast.stmt) -> bool:
        return (
            self._gates.is_gated(node)
            or guarded_by_try(self._syntax, node)
            or under_type_checking(self._syntax, node, self._names)
        )

    def _uses(self, node: ast.stmt, name: str) -> tuple[Span, ...]:
        scope = self._syntax.scope(node)
        spans = []
        for use in self._syntax.loads.get(name, ()):
            found = self._syntax.lookup(name, use)
            if found is not None and found[0] is scope:
                spans.append(self._text.span(use))
        return tuple(sorted(spans))

    def references(self) -> tuple[Reference, ...]:
        """Dotted uses under vLLM and TRL, and strings that name something there."""
        found: list[Reference] = []
        names = self._syntax.loads if self._names.has_stars else set(self._names.worth_following())
        for name in names:
            for use in self._syntax.loads.get(name, ()):
                reference = self._reference(use)
                if reference is not None:
                    found.append(reference)
        for constant in self._syntax.all(ast.Constant):
            value = constant.value
            if isinstance(value, str) and value.startswith(("vllm.", "trl.")):
                found += self._string(constant, value)
        return tuple(sorted(found, key=lambda r: r.span))

    def _reference(self, name: ast.Name) -> Reference | None:
        meaning = self._names.of(name)
        if meaning is None or meaning.kind is not Kind.NAME:
            return None
        brought = meaning.name if known.is_known(meaning.name) and self._is_from_own_module(name) else ""
        outer: ast.expr = name
        parent = self._syntax.parents[name]
        while isinstance(parent, ast.Attribute):
            further = self._names.of(parent)
            if further is None or further.kind is not Kind.NAME:
                break
            if not known.is_known(meaning.name) and known.is_known(further.name):
                brought = further.name  # `types.Request`, of a module that imports Request
            outer, meaning, parent = parent, further, self._syntax.parents[parent]
        if not known.is_known(meaning.name) or "." not in meaning.name:
            return None
        context = "name"
        if isinstance(outer, ast.Attribute) and not isinstance(outer.ctx, ast.Load):
            context = "assign"
        elif isinstance(parent, ast.ClassDef) and outer in parent.bases:
            context = "base"
        dead = self._gates.is_dead(outer)
        unread = context == "name" and never_evaluated(self._syntax, outer)
        span = self._text.span(outer)
        return Reference(meaning.name, span, context, meaning.certainty, dead, unread, brought)

    def _is_from_own_module(self, name: ast.Name) -> bool:
        """Whether what a name stands for comes from another module of the project, and only from there."""
        found = self._syntax.lookup(name.id, name)
        if found is None:  # from a star import
            return not any(map(known.is_known, self._names.star_modules))
        modules = [
            self._names.module_of(binding.statement)
            for binding in found[1]
            if binding.kind == "import" and isinstance(binding.statement, ast.ImportFrom)
        ]
        return bool(modules) and len(modules) == len(found[1]) and not any(map(known.is_known, modules))

    def _string(self, node: ast.Constant, value: str) -> list[Reference]:
        call = self._syntax.parents.get(node)
        if not _DOTTED.match(value) or self._is_compared(node):
            return []
        func = call.func if isinstance(call, ast.Call) else None
        name = func.id if isinstance(func, ast.Name) else func.attr if isinstance(func, ast.Attribute) else ""
        if name in _READS_TEXT:
            return []
        context = "patch" if name in _PATCHERS else "string"
        imports = name == "import_module"
        certainty = Certainty.CERTAIN if imports or context == "patch" else Certainty.LIKELY
        qualified, span = value.replace(":", "."), self._calls.inside_quotes(node)
        unread = name in _LOGGERS or self._gates.falls_back(node)
        dead = imports and (self._gates.is_dead(node) or self._gates.has_working_twin(node))
        return [Reference(qualified, span, context, certainty, dead, unread)]

    def _is_compared(self, node: ast.Constant) -> bool:
        """Whether a text is looked for in another or compared with one: `"vllm.worker" in command_line`."""
        parent = self._syntax.parents.get(node)
        if isinstance(parent, ast.List | ast.Tuple | ast.Set):
            parent = self._syntax.parents.get(parent)
        return isinstance(parent, ast.Compare)

    def pins(self) -> tuple[Pin, ...]:
        """Requirements on vLLM or TRL written as strings, as a setup script has them."""
        latin1 = self._text.source.decode("latin-1")
        found = []
        for constant in self._syntax.all(ast.Constant):
            if isinstance(constant.value, str) and constant.value.startswith(known.PACKAGES):
                place = self._calls.inside_quotes(constant)
                pin = pin_in(latin1[: place.end], place.start, place.end)
                if pin is not None and pin.package in known.PACKAGES:
                    found.append(pin)
        return tuple(sorted(found, key=lambda p: p.span))

    def classes(self) -> tuple[ClassDefinition, ...]:
        """Classes with at least one base of vLLM's or TRL's, where the target may come."""
        found = []
        for node in self._syntax.in_order(ast.ClassDef):
            if self._gates.is_dead(node):
                continue
            bases = [(self._base(b), self._text.span(b)) for b in node.bases]
            if not any(known.is_known(name) for name, _ in bases):
                continue
            found.append(self._class(node, tuple(bases)))
        return tuple(found)

    def _base(self, node: ast.expr) -> str:
        if isinstance(node, ast.Subscript):  # Base[Item]
            node = node.value
        meaning = self._names.of(node)
        if meaning is not None and meaning.kind is Kind.NAME:
            return meaning.name
        if meaning is not None and meaning.kind is Kind.CLASS:
            inherited = self._names.user.vllm_base(meaning)
            if inherited is not None:
                return inherited.name
        return self._text.written(self._text.span(node))

    def _class(self, node: ast.ClassDef, bases: tuple[tuple[str, Span], ...]) -> ClassDefinition:
        span = self._text.span(node)
        source = self._text.source
        name = self._text.encode(node.name)
        name_start = source.index(name, source.index(b"class", span.start) + 5)
        opening = source.index(b"(", name_start)
        if getattr(node, "type_params", None):  # class C[T](Base)
            opening = source.rindex(b"(", opening, bases[0][1].start)
        last = max([bases[-1][1].end, *(self._text.span(k).end for k in node.keywords)])
        return ClassDefinition(
            name=node.name,
            span=span,
            name_span=Span(name_start, name_start + len(name)),
            bases=bases,
            bases_span=Span(opening, _closing(source, last)),
            methods=tuple(s.name for s in node.body if isinstance(s, FUNCTIONS)),
            calls_super=any(
                isinstance(call.func, ast.Name)
                and call.func.id == "super"
                and any(above is node for above in self._syntax.ancestors(call))
                for call in self._syntax.all(ast.Call)
            ),
        )


def _closing(source: bytes, at: int) -> int:
    """The end of the parenthesis that closes after `at`, over comments."""
    while source[at : at + 1] != b")":
        at = source.index(b"\n", at) if source[at : at + 1] == b"#" else at + 1
    return at + 1
