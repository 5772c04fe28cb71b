"""Branches on vLLM's version: which of them does the target never take?

Only tests whose outcome on the target is beyond doubt count. `vllm.__version__ >= "0.7"` compares strings,
whose order is not that of versions, so it decides nothing here; equality of strings does.
"""

from __future__ import annotations

import ast
import operator as operators
import re
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from vllm_migrate.files.located import VersionComparison
from vllm_migrate.resolve.asked_attributes import target_has
from vllm_migrate.resolve.asked_parameters import target_takes
from vllm_migrate.resolve.dead_ends import behind_the_end, statements_after
from vllm_migrate.resolve.fallbacks import falls_back
from vllm_migrate.resolve.given_up import behind_failing_imports
from vllm_migrate.resolve.meaning import Kind
from vllm_migrate.resolve.syntax import in_order, last_name
from vllm_migrate.resolve.twin_imports import has_working_twin
from vllm_migrate.resolve.version_numbers import VersionNumbers, written_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vllm_migrate.files.positions import SourceText
    from vllm_migrate.resolve.names import Names
    from vllm_migrate.resolve.syntax import Syntax

_VERSION_NAME = re.compile(r"(?i)^_*(?:(?:current|installed)_?)?vllm_?(?:package_?)?version_?_*$")
_MEMBER = re.compile(r"(?i)^_*v(?:llm|ersion)?_?(\d+(?:_\d+){1,3})$")
"""A member of an enumeration of releases: `VLLMVersion.v_0_6_3`."""
_ORDER: dict[type[ast.cmpop], Callable[[Version, Version], bool]] = {
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operators.lt,
    ast.LtE: operators.le,
    ast.Gt: operators.gt,
    ast.GtE: operators.ge,
    ast.Eq: operators.eq,
    ast.NotEq: operators.ne,
}
_SYMBOLS: dict[type[ast.cmpop], str] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_PREDICATE = re.compile(r"(?i)version.*_(ge|gte|gt|le|lte|lt)$|^is_vllm_(ge|gte|gt|le|lte|lt)$")
_SAID = re.compile(r"(?i)^is_vllm_version_(greater|newer|less|older|lower)_than_(\d+(?:_\d+)+)$")
"""A function that says by its name what it asks, wherever it is: `is_vllm_version_greater_than_0_5_1`."""
_RELEASE = re.compile(r"^\d+\.\d+(?:\.\d+)*\.?$")
_PARSERS = {"parse", "Version", "parse_version", "LooseVersion"}


class VersionGates:
    """Finds the branches that depend on vLLM's version, and those the target never takes."""

    def __init__(
        self,
        syntax: Syntax,
        names: Names,
        target: Version | None,
        *,
        mentions_version: bool = True,
        asks_attributes: bool = True,
    ) -> None:
        self._syntax = syntax
        self._names = names
        self._target = target
        self._gated: list[tuple[int, int]] = []
        self._dead: list[tuple[int, int]] = []
        self._mentioned = mentions_version
        release = target.release if target is not None else ()
        self._numbers = VersionNumbers(syntax, self._is_version, (*release, 0, 0, 0)[: max(3, len(release))])
        for node in syntax.all(ast.If) if mentions_version or asks_attributes else ():
            if self._mentions_version(node.test):
                self._gated += [_lines(node.body), *([_lines(node.orelse)] if node.orelse else [])]
                self._decide(node)
            elif asks_attributes:
                self._decide(node)
        self._dead += [_lines(statements) for statements in behind_the_end(syntax)]
        if target is not None:
            self._dead += [_lines(statements) for statements in behind_failing_imports(syntax, target)]
        if self._dead:
            self._gated += self._only_called_from_dead()

    def _only_called_from_dead(self) -> list[tuple[int, int]]:
        """Functions that only branches name which the target never takes."""
        found = []
        for name, bindings in self._syntax.bindings.get(self._syntax.module, {}).items():
            uses = self._syntax.loads.get(name, [])
            if uses and all(b.kind == "function" for b in bindings) and all(map(self.is_dead, uses)):
                found += [_lines([b.node]) for b in bindings if isinstance(b.node, ast.stmt)]
        return found

    def _decide(self, node: ast.If) -> None:
        outcome = self._truth(node.test) if self._target is not None else None
        if outcome is None:
            return
        taken, skipped = (node.body, node.orelse) if outcome else (node.orelse, node.body)
        if taken and isinstance(taken[-1], (ast.Return, ast.Raise, ast.Continue, ast.Break)):
            skipped = [*skipped, *statements_after(self._syntax, node)]
        if skipped:
            self._dead.append(_lines(skipped))

    @property
    def decides(self) -> bool:
        """Whether any branch is known to be dead."""
        return bool(self._dead)

    def is_dead(self, node: ast.expr | ast.stmt | ast.keyword) -> bool:
        """Whether the target never reaches a node."""
        return any(first <= node.lineno <= last for first, last in self._dead)

    def is_gated(self, node: ast.expr | ast.stmt) -> bool:
        """Whether a node stands under a test of vLLM's version."""
        return any(first <= node.lineno <= last for first, last in self._gated)

    def falls_back(self, node: ast.AST) -> bool:
        """Whether the target comes to a node, if at all, only on the way into a handler that is written."""
        return self._target is not None and falls_back(self._syntax, self._names, node, self._target)

    def has_working_twin(self, node: ast.AST) -> bool:
        """Whether a module is imported by its name in a `try` whose other side the target can import."""
        return self._target is not None and has_working_twin(self._syntax, node, self._target)

    def compared_as_text(self, text: SourceText) -> tuple[VersionComparison, ...]:
        """Comparisons of vLLM's version with a bound in which both sides are text."""
        found = []
        for node in in_order(self._syntax.all(ast.Compare)) if self._mentioned else ():
            symbol = _SYMBOLS.get(type(node.ops[0])) if len(node.ops) == 1 else None
            if symbol is None:
                continue
            version, bound = node.left, node.comparators[0]
            if isinstance(version, ast.Constant):
                version, bound, symbol = bound, version, _MIRRORED[symbol]
            if not (_constant_version(bound) and isinstance(bound, ast.Constant) and self._is_text(version)):
                continue
            parent = self._syntax.parents[node]
            found.append(
                VersionComparison(
                    symbol,
                    str(bound.value),
                    text.span(node),
                    text.span(version),
                    text.span(bound),
                    asserted=isinstance(parent, ast.Assert) and parent.test is node,
                    dead=self.is_dead(node),
                )
            )
        return tuple(found)

    def _is_text(self, node: ast.expr) -> bool:
        """Whether an expression is vLLM's version for sure, and text."""
        cut = _matched_text(node)
        if cut is not None:
            return self._is_version(cut)
        if _is_parsed(node) or not self._is_version(node):
            return False
        if not isinstance(node, ast.Name):
            return True
        if self._names.qualified(node) == "vllm.__version__":
            return True
        found = self._syntax.lookup(node.id, node)
        return found is not None and all(
            b.kind == "value"
            and isinstance(b.node, ast.expr)
            and not isinstance(b.node, ast.Name)
            and self._is_text(b.node)
            for b in found[1]
        )

    def _mentions_version(self, test: ast.expr) -> bool:
        if isinstance(test, ast.BoolOp):
            return any(map(self._mentions_version, test.values))
        if isinstance(test, ast.UnaryOp):
            return self._mentions_version(test.operand)
        if isinstance(test, ast.Compare):
            sides = (test.left, *test.comparators)
            return any(map(self._is_version, sides)) or any(self._numbers.of(s) is not None for s in sides)
        if isinstance(test, ast.Call):
            answer = self._answer(test)
            return (
                self._predicate(test) is not None
                or (answer is not None and self._mentions_version(answer))
                or (
                    isinstance(test.func, ast.Attribute)
                    and test.func.attr == "startswith"
                    and self._is_version(test.func.value)
                )
            )
        bound = self._named_test(test)
        return bound is not None and self._mentions_version(bound)

    def _named_test(self, test: ast.expr) -> ast.expr | None:
        """The comparison or call that a name stands for: `OLD = VERSION < Version("0.11")`, `if OLD:`."""
        if not isinstance(test, ast.Name):
            return None
        found = self._syntax.lookup(test.id, test)
        if found is None or len(found[1]) != 1 or found[1][0].kind != "value" or found[1][0].path:
            return None
        value = found[1][0].node
        return value if isinstance(value, (ast.Compare, ast.Call)) else None

    def _answer(self, test: ast.Call) -> ast.expr | None:
        """What the one statement of a function without arguments returns: `if is_vllm_0_7():`."""
        if not isinstance(test.func, ast.Name) or test.args or test.keywords:
            return None
        found = self._syntax.lookup(test.func.id, test)
        if found is None or len(found[1]) != 1 or not isinstance(found[1][0].node, ast.FunctionDef):
            return None
        body = found[1][0].node.body
        said = [s for s in body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
        said = [s for s in said if not isinstance(s, (ast.Import, ast.ImportFrom))]
        value = said[0].value if len(said) == 1 and isinstance(said[0], ast.Return) else None
        return value if isinstance(value, (ast.Compare, ast.BoolOp)) or _is_startswith(value) else None

    def _truth(self, test: ast.expr) -> bool | None:
        """What a test comes to on the target; None where that is open."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            inner = self._truth(test.operand)
            return None if inner is None else not inner
        if isinstance(test, ast.BoolOp):
            every = [self._truth(v) for v in test.values]
            decisive = isinstance(test.op, ast.Or)
            if decisive in every:
                return decisive
            return None if None in every else not decisive
        if isinstance(test, ast.Compare) and len(test.ops) == 1:
            return self._compared(test.left, test.ops[0], test.comparators[0])
        if isinstance(test, ast.Call):
            return self._called(test)
        bound = self._named_test(test)
        return None if bound is None else self._truth(bound)

    def _compared(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> bool | None:
        target = self._target
        assert target is not None  # noqa: S101 (nothing is decided without one)
        if isinstance(operator, (ast.In, ast.NotIn)):
            if isinstance(left, ast.Constant) and self._is_version(right):
                if not (isinstance(left.value, str) and _RELEASE.match(left.value)):
                    return None
                part = left.value in _as_text(target)  # "0.7.3" in vllm.__version__
                return part if isinstance(operator, ast.In) else not part
            taken = target_takes(left, right, self._syntax, self._names, target)
            if taken is not None:
                return taken is isinstance(operator, ast.In)
            members = self._members(right)
            if members is None or not self._is_version(left):
                return None
            versions = [_constant_version(m) for m in members]
            found = target in versions
            if None in versions and not found:
                return None
            return found if isinstance(operator, ast.In) else not found
        of_target = self._in_numbers(left, operator, right)
        if of_target is not None:
            return of_target
        order = _ORDER.get(type(operator))
        if order is None or (isinstance(right, ast.Constant) and right.value is None):
            return None
        sides = [target if self._is_version(side) else _constant_version(side) for side in (left, right)]
        if sides[0] is None or sides[1] is None or not (self._is_version(left) or self._is_version(right)):
            return None
        as_text = not any(_is_parsed(side) or self._is_parsed_name(side) for side in (left, right))
        if as_text and not isinstance(operator, (ast.Eq, ast.NotEq)):
            return None
        return order(sides[0], sides[1])

    def _in_numbers(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> bool | None:
        """`parsed.release[:2] >= (0, 8)`, `8 <= parsed.minor`."""
        compare = _COMPARE.get(type(operator))
        sides: list[tuple[int, ...] | int] = []
        for side, other in ((left, right), (right, left)):
            value = self._numbers.of(side) if written_numbers(other) is not None else written_numbers(side)
            if value is None:
                return None
            sides.append(value)
        if compare is None or isinstance(sides[0], int) is not isinstance(sides[1], int):
            return None
        return bool(compare(sides[0], sides[1]))

    def _members(self, node: ast.expr) -> list[ast.expr] | None:
        """The members of a collection that is written out, or of the one that a name stands for."""
        if isinstance(node, ast.Name):
            found = self._syntax.lookup(node.id, node)
            if found is None or len(found[1]) != 1 or found[1][0].kind != "value" or found[1][0].path:
                return None
            value = found[1][0].node
            # A list or a dictionary may grow later on.
            return value.elts if isinstance(value, ast.Tuple) else None
        if isinstance(node, ast.Dict):
            return None if None in node.keys else [key for key in node.keys if key is not None]
        return node.elts if isinstance(node, (ast.Tuple, ast.List, ast.Set)) else None

    def _called(self, test: ast.Call) -> bool | None:
        assert self._target is not None  # noqa: S101 (nothing is decided without one)
        found = self._predicate(test)
        if found is not None:
            name, bound = found
            kinds: dict[str, type[ast.cmpop]] = {"ge": ast.GtE, "gt": ast.Gt, "le": ast.LtE, "lt": ast.Lt}
            return _ORDER[kinds[name[:2]]](self._target, bound)
        func = test.func
        if isinstance(func, ast.Attribute) and _is_startswith(test) and self._is_version(func.value):
            starts = _texts(test.args[0])
            return None if starts is None else _as_text(self._target).startswith(starts)
        answer = self._answer(test)
        if answer is not None:
            return self._truth(answer)
        return True if target_has(test, self._names, self._target) else None

    def _predicate(self, test: ast.Call) -> tuple[str, Version] | None:
        """`is_version_ge(pkg="vllm", minver="0.7.3")`, `is_vllm_version_ge("0.7")` and the like.

        Or `self._version_ge("0.7")`, where the function of that name in this file reads vLLM's version, or
        `is_vllm_version_greater_than_0_5_1()`.
        """
        func = test.func
        name = last_name(func)
        said = _SAID.match(name) if not test.args and not test.keywords else None
        if said is not None:
            bound = Version(said[2].replace("_", "."))
            # Whether the bound itself counts the name doesn't say.
            kind = "gt" if said[1].lower() in ("greater", "newer") else "lt"
            return (kind, bound) if bound != self._target else None
        match = _PREDICATE.search(name)
        if match is None:
            return None
        values = [*test.args, *(k.value for k in test.keywords)]
        texts = [v.value for v in values if isinstance(v, ast.Constant) and isinstance(v.value, str)]
        if "vllm" not in texts and "vllm" not in name.lower() and not self._reads_version(name):
            return None
        bounds = [v for v in map(_constant_version, values) if v is not None]
        return (match[1] or match[2], bounds[0]) if len(bounds) == 1 else None

    def _reads_version(self, name: str) -> bool:
        """Whether the one function of that name in this file reads vLLM's version."""
        found = [function for function in self._syntax.functions() if function.name == name]
        return len(found) == 1 and any(
            node.attr == "__version__" and self._names.qualified(node) == "vllm.__version__"
            for node in ast.walk(found[0])
            if isinstance(node, ast.Attribute)
        )

    def _is_version(self, node: ast.expr, depth: int = 0) -> bool:
        """Whether an expression is vLLM's installed version, as text or parsed."""
        deepest = 4
        if depth > deepest:
            return False
        if isinstance(node, ast.Call):
            func = node.func
            name = (
                func.id
                if isinstance(func, ast.Name)
                else func.attr
                if isinstance(func, ast.Attribute)
                else ""
            )
            if name in _PARSERS and node.args:
                return self._is_version(node.args[0], depth + 1)
            return name in ("version", "get_version") and bool(node.args) and self._is_package(node.args[0])
        if isinstance(node, ast.Attribute):
            if node.attr == "version" and isinstance(node.value, ast.Call):
                return _is_distribution(node.value)
            if node.attr == "base_version":
                return self._is_version(node.value, depth + 1)
            return node.attr == "__version__" and self._names.qualified(node) == "vllm.__version__"
        if isinstance(node, ast.Name):
            if _VERSION_NAME.match(node.id) or self._names.qualified(node) == "vllm.__version__":
                return True
            found = self._syntax.lookup(node.id, node)
            return found is not None and any(
                b.kind == "value" and isinstance(b.node, ast.Call) and self._is_version(b.node, depth + 1)
                for b in found[1]
            )
        return False

    def _is_package(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Constant):
            return node.value == "vllm"
        if not isinstance(node, ast.Name):
            return False
        found = self._syntax.lookup(node.id, node)
        return found is not None and any(
            isinstance(b.node, ast.Constant) and b.node.value == "vllm" for b in found[1]
        )

    def _is_parsed_name(self, node: ast.expr) -> bool:
        if not isinstance(node, ast.Name):
            return False
        found = self._syntax.lookup(node.id, node)
        return found is not None and any(_is_parsed(b.node) for b in found[1])


def _matched_text(node: ast.expr) -> ast.expr | None:
    """The text of which `re.match(pattern, text).group(1)` is a part."""
    func = node.func if isinstance(node, ast.Call) else None
    match = func.value if isinstance(func, ast.Attribute) and func.attr == "group" else None
    if not (isinstance(match, ast.Call) and isinstance(match.func, ast.Attribute) and len(match.args) > 1):
        return None
    return match.args[1] if match.func.attr in ("match", "search", "fullmatch") else None


def _lines(statements: Sequence[ast.stmt]) -> tuple[int, int]:
    """The first and the last line of a run of statements."""
    return statements[0].lineno, max(s.end_lineno or s.lineno for s in statements)


def guarded_by_try(syntax: Syntax, node: ast.AST) -> bool:
    """Whether a node stands in a `try` that outlives a failing import, or in its `except`."""
    inner = node
    for above in syntax.ancestors(node):
        if isinstance(above, ast.Try) and any(
            _catches_import(h) and not isinstance(h.body[-1], ast.Raise) for h in above.handlers
        ):
            return inner in above.body or inner in above.handlers or inner in above.orelse
        inner = above
    return False


def under_type_checking(syntax: Syntax, node: ast.AST, names: Names) -> bool:
    """Whether a node stands under `if TYPE_CHECKING:`."""
    for above in syntax.ancestors(node):
        if isinstance(above, ast.If):
            meaning = names.of(above.test)
            if meaning is not None and meaning.kind is Kind.NAME and meaning.name.endswith("TYPE_CHECKING"):
                return True
    return False


def _catches_import(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(
        getattr(t, "id", "") in ("ImportError", "ModuleNotFoundError", "Exception", "BaseException")
        for t in types
    )


def _as_text(version: Version) -> str:
    """What vLLM says of itself: always three numbers."""
    return str(version) if len(version.release) > 2 else f"{version}.0"  # noqa: PLR2004 - as it says


def _is_distribution(node: ast.Call) -> bool:
    """`pkg_resources.get_distribution("vllm")`, `importlib.metadata.distribution("vllm")`."""
    func = node.func
    name = last_name(func)
    given = node.args[0] if node.args else None
    return name in ("distribution", "get_distribution") and (
        isinstance(given, ast.Constant) and given.value == "vllm"
    )


def _is_startswith(node: ast.AST | None) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "startswith"
        and len(node.args) == 1
    )


def _texts(node: ast.expr) -> tuple[str, ...] | None:
    """A text, or the texts of a tuple, that are written out."""
    nodes = node.elts if isinstance(node, ast.Tuple) else [node]
    texts = [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return tuple(texts) if len(texts) == len(nodes) else None


def _is_parsed(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return False
    if not isinstance(node, ast.Call):
        return False
    func = node.func
    name = last_name(func)
    return name in _PARSERS


def _constant_version(node: ast.expr) -> Version | None:
    """A version written out, as text or parsed, or as the name of a member of an enumeration of them."""
    if isinstance(node, ast.Call) and _is_parsed(node) and node.args:
        node = node.args[0]
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            return Version(node.value)
        except InvalidVersion:
            return None
    if isinstance(node, ast.Attribute) and "version" in last_name(node.value).lower():
        spelled = _MEMBER.match(node.attr)
        return Version(spelled[1].replace("_", ".")) if spelled else None
    return None
