"""One walk over a syntax tree, and what the resolution asks of it: parents, scopes, bindings."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from vllm_migrate.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
SCOPES = (*FUNCTIONS, ast.Lambda, ast.ClassDef, ast.Module, *COMPREHENSIONS)

# Fields that hold no nodes, or only nodes nothing is asked of.
_PLAIN = {"ctx", "op", "ops", "id", "attr", "arg", "asname", "level", "simple", "is_async", "conversion"}
_PLAIN |= {"type_comment", "type_ignores", "kind", "rest", "kwd_attrs", "tag"}
_NAME_IS_TEXT = (*FUNCTIONS, ast.ClassDef, ast.alias, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)


def _node_fields(kind: type[ast.AST]) -> tuple[str, ...]:
    fields = [f for f in kind._fields if f not in _PLAIN]
    if issubclass(kind, (ast.Constant, ast.Global, ast.Nonlocal)):
        return ()
    if issubclass(kind, _NAME_IS_TEXT):
        fields = [f for f in fields if f != "name"]
    if issubclass(kind, ast.ImportFrom):
        fields = ["names"]
    if issubclass(kind, ast.arg):
        fields = ["annotation"]
    return tuple(fields)


_SCOPE_KINDS = frozenset(SCOPES)
_PLACE = attrgetter("lineno", "col_offset")
_FIELDS: dict[type[ast.AST], tuple[str, ...]] = {}


@dataclass(frozen=True, slots=True)
class Binding:
    """One way a name gets its value.

    Attributes:
        kind: "value" (an expression), "element" (an element of an iterable), "enter" (a context manager),
            "import", "parameter", "function", "class" or "unknown".
        node: the expression, the alias, the argument or the definition.
        path: the way through unpacking, `a, (b, c) = x` gives c the path (1, 1).
        statement: the statement that binds.
        annotation: the annotation, if there is one.
    """

    kind: str
    node: ast.AST
    statement: ast.AST
    path: tuple[int, ...] = ()
    annotation: ast.expr | None = None


_N = TypeVar("_N", bound=ast.AST)
_Bindings = dict[str, list[Binding]]


class Syntax:
    """A module's tree with everything found in it by kind."""

    def __init__(self, module: ast.Module) -> None:
        self.module = module
        self.parents: dict[ast.AST, ast.AST] = {}
        self._found: defaultdict[type[ast.AST], list[ast.AST]] = defaultdict(list)
        self._ordered: dict[type[ast.AST], list[ast.AST]] = {}
        self._scopes: dict[ast.AST, ast.AST] = {}
        self._within: dict[type[ast.AST], dict[Function | None, list[ast.AST]]] = {}
        self._walk(module)

    def _walk(self, root: ast.AST) -> None:
        # Every node of every file comes by here: plain loops, local names, one pass.
        parents, found, fields, scopes = self.parents, self._found, _FIELDS, self._scopes
        scopes[root] = root
        todo = [root]
        append = todo.append
        for node in todo:
            kind = node.__class__
            found[kind].append(node)
            names = fields.get(kind)
            if names is None:
                names = fields[kind] = _node_fields(kind)
            if not names:
                continue
            scope = node if kind in _SCOPE_KINDS else scopes[node]
            for name in names:
                child = getattr(node, name)
                if child.__class__ is list:
                    for each in child:
                        if each is not None:
                            parents[each] = node
                            scopes[each] = scope
                            append(each)
                elif child is not None:
                    parents[child] = node
                    scopes[child] = scope
                    append(child)

    def all(self, kind: type[_N]) -> list[_N]:
        """All nodes of exactly this kind, outer ones first."""
        return self._found[kind]  # type: ignore[return-value]  # the list holds what its key says

    def functions(self) -> Iterator[Function]:
        """All function definitions."""
        yield from self.all(ast.FunctionDef)
        yield from self.all(ast.AsyncFunctionDef)

    def function_lines(self) -> tuple[tuple[int, int], ...]:
        """The first and last line of each function and lambda."""
        return tuple(
            (node.lineno, node.end_lineno or node.lineno)
            for node in (*self.functions(), *self.all(ast.Lambda))
        )

    def imports(self) -> list[ast.Import | ast.ImportFrom]:
        """All import statements, in source order."""
        return in_order([*self.all(ast.Import), *self.all(ast.ImportFrom)])

    def in_order(self, kind: type[_N]) -> list[_N]:
        """All nodes of exactly this kind, in source order; the kind must have a place in the source."""
        nodes = self._ordered.get(kind)
        if nodes is None:
            nodes = self._ordered[kind] = in_order(self._found[kind])
        return nodes  # type: ignore[return-value]  # as in `all`

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes around a node, innermost first."""
        parents = self.parents
        while True:
            above = parents.get(node)
            if above is None:
                return
            yield above
            node = above

    def scope(self, node: ast.AST) -> ast.AST:
        """The function, class, comprehension or module whose names a node sees first."""
        return self._scopes[node]

    def adopt(self, parent: ast.AST, child: ast.AST) -> None:
        """Take in a tree that was parsed out of a string, as if it stood where the string stands."""
        self.parents[child] = parent
        self._scopes[child] = self._scopes[parent]
        for below in ast.iter_child_nodes(child):
            self.adopt(child, below)

    def statement(self, node: ast.AST) -> ast.stmt:
        """The statement a node stands in, or is."""
        while not isinstance(node, ast.stmt):
            node = self.parents[node]
        return node

    def function(self, node: ast.AST) -> Function | None:
        """The innermost named function around a node."""
        scopes = self._scopes
        scope = scopes[node]
        while scope is not self.module:
            if isinstance(scope, FUNCTIONS):
                return scope
            scope = scopes[scope]
        return None

    def within(self, function: Function, kind: type[_N]) -> list[_N]:
        """All nodes of exactly this kind that have `function` as their innermost named function."""
        if kind not in self._within:
            table: defaultdict[Function | None, list[ast.AST]] = defaultdict(list)
            for node in self._found[kind]:
                table[self.function(node)].append(node)
            self._within[kind] = table
        return self._within[kind].get(function, [])  # type: ignore[return-value]  # as in `all`

    def method_class(self, node: ast.AST) -> tuple[ast.ClassDef, Function] | None:
        """The class and its method a node stands in, also through functions nested in the method."""
        scopes = self._scopes
        inner, scope = node, scopes[node]
        while scope is not self.module:
            if isinstance(scope, ast.ClassDef):
                return (scope, inner) if isinstance(inner, FUNCTIONS) and inner is not node else None
            if isinstance(scope, FUNCTIONS):
                inner = scope
            scope = scopes[scope]
        return None

    def deferred(self, node: ast.AST) -> bool:
        """Whether a node runs only when something is called."""
        scopes = self._scopes
        scope = scopes[node]
        while scope is not self.module:
            if isinstance(scope, (*FUNCTIONS, ast.Lambda)):
                return True
            scope = scopes[scope]
        return False

    def qualname(self, node: ast.AST) -> str:
        """The dotted names of the functions and classes around a node, "" outside any function."""
        names: list[str] = []
        inside = False
        for above in self.ancestors(node):
            if isinstance(above, (*FUNCTIONS, ast.ClassDef)):
                inside = inside or not isinstance(above, ast.ClassDef)
                names.append(above.name)
        return ".".join(reversed(names)) if inside else ""

    @cached_property
    def bindings(self) -> dict[ast.AST, _Bindings]:
        """Per scope, per name, all its bindings in it."""
        table: dict[ast.AST, _Bindings] = defaultdict(lambda: defaultdict(list))
        for target, binding in self._targets:
            if isinstance(target, ast.Name):
                table[self._binding_scope(target)][target.id].append(binding)
        for node in self.imports():
            for alias in node.names:
                name = alias.asname or alias.name
                if isinstance(node, ast.Import) and not alias.asname:
                    name = name.partition(".")[0]
                table[self._binding_scope(node, name)][name].append(Binding("import", alias, node))
        for function in self.functions():
            table[self.scope(function)][function.name].append(Binding("function", function, function))
            self._bind_parameters(function.args, table[function], function)
        for lambda_ in self.all(ast.Lambda):
            self._bind_parameters(lambda_.args, table[lambda_], lambda_)
        for class_ in self.all(ast.ClassDef):
            table[self.scope(class_)][class_.name].append(Binding("class", class_, class_))
        return table

    @staticmethod
    def _bind_parameters(arguments: ast.arguments, into: _Bindings, statement: ast.AST) -> None:
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        for parameter in every:
            into[parameter.arg].append(Binding("parameter", parameter, statement, (), parameter.annotation))
        for rest in (arguments.vararg, arguments.kwarg):
            if rest is not None:
                into[rest.arg].append(Binding("parameter", rest, statement))

    def _binding_scope(self, node: ast.AST, name: str = "") -> ast.AST:
        scope = self.scope(node)
        if isinstance(node, ast.Name):
            name = node.id
        if isinstance(scope, FUNCTIONS) and name in self._declared.get(scope, ()):
            return self.module
        return scope

    @cached_property
    def _declared(self) -> dict[ast.AST, set[str]]:
        """Names a function declares global; nonlocal ones are rare enough to be treated alike."""
        declared: dict[ast.AST, set[str]] = defaultdict(set)
        for node in self.all(ast.Global):
            declared[self.scope(node)].update(node.names)
        return declared

    @cached_property
    def _targets(self) -> list[tuple[ast.expr, Binding]]:
        return list(self._all_targets())

    def _all_targets(self) -> Iterator[tuple[ast.expr, Binding]]:
        """All assignment targets, unpacked, with what they are bound to."""
        for assign in self.all(ast.Assign):
            for target in assign.targets:
                yield from _unpack(target, Binding("value", assign.value, assign))
        for annotated in self.all(ast.AnnAssign):
            kind = "value" if annotated.value is not None else "unknown"
            node = annotated.value or annotated
            yield annotated.target, Binding(kind, node, annotated, (), annotated.annotation)
        for walrus in self.all(ast.NamedExpr):
            yield walrus.target, Binding("value", walrus.value, self.statement(walrus))
        for loop in self.all(ast.For):
            yield from _unpack(loop.target, Binding("element", loop.iter, loop))
        for async_loop in self.all(ast.AsyncFor):
            yield from _unpack(async_loop.target, Binding("element", async_loop.iter, async_loop))
        for clause in self.all(ast.comprehension):
            yield from _unpack(clause.target, Binding("element", clause.iter, self.statement(clause)))
        for item in self.all(ast.withitem):
            if item.optional_vars is not None:
                yield from _unpack(
                    item.optional_vars, Binding("enter", item.context_expr, self.statement(item))
                )
        for augmented in self.all(ast.AugAssign):
            if isinstance(augmented.op, (ast.BitOr, ast.Add)):
                continue  # `kw |= {...}` and `outputs += ...` add to the value; they don't replace it
            yield augmented.target, Binding("unknown", augmented, augmented)

    @cached_property
    def attribute_bindings(self) -> dict[ast.ClassDef, _Bindings]:
        """Per class, per attribute, what `self.x = ...` binds in its methods; class-level names, too."""
        table: dict[ast.ClassDef, _Bindings] = defaultdict(lambda: defaultdict(list))
        for target, binding in self._targets:
            owner = self.self_attribute(target)
            if owner is not None:
                assert isinstance(target, ast.Attribute)  # noqa: S101 (self_attribute says so)
                table[owner][target.attr].append(binding)
        for scope, names in self.bindings.items():
            if isinstance(scope, ast.ClassDef):
                for name, found in names.items():
                    table[scope][name].extend(found)
        return table

    def self_attribute(self, node: ast.AST) -> ast.ClassDef | None:
        """The class, where the node is `self.x` in one of its methods."""
        if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)):
            return None
        found = self.method_class(node)
        if found is None:
            return None
        class_, method = found
        parameters = [*method.args.posonlyargs, *method.args.args]
        return class_ if parameters and parameters[0].arg == node.value.id else None

    def lookup(self, name: str, node: ast.AST) -> tuple[ast.AST, list[Binding]] | None:
        """The scope that binds a name as `node` sees it, with its bindings there."""
        scope = self.scope(node)
        first = True
        while True:
            names = self.bindings.get(scope)
            if names is not None and name in names and (first or not isinstance(scope, ast.ClassDef)):
                return scope, names[name]
            if scope is self.module:
                return None
            scope = self.scope(scope)
            first = False

    @cached_property
    def loads(self) -> dict[str, list[ast.Name]]:
        """Names that are read, by name, in source order."""
        table: dict[str, list[ast.Name]] = defaultdict(list)
        for node in self.all(ast.Name):
            if isinstance(node.ctx, ast.Load):
                table[node.id].append(node)
        return table


def _unpack(target: ast.expr, binding: Binding) -> Iterator[tuple[ast.expr, Binding]]:
    if isinstance(target, (ast.Tuple, ast.List)):
        for index, element in enumerate(target.elts):
            inner = Binding(binding.kind, binding.node, binding.statement, (*binding.path, index))
            yield from _unpack(element, inner)
    elif isinstance(target, ast.Starred):
        yield target.value, Binding("unknown", binding.node, binding.statement)
    else:
        yield target, binding


def in_order(nodes: list[_N]) -> list[_N]:
    """Nodes in source order."""
    return sorted(nodes, key=_PLACE)


def last_name(node: ast.AST) -> str:
    """`c` of `a.b.c`, the name itself of a name, "" of anything else."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
