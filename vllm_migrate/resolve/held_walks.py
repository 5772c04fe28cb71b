"""Walks into an engine that a class keeps in an attribute: `self.model_runner = llm.....model_runner`.

What is called at the walk's end stands in another method then, often behind a local name:
`model = self.model_runner.model` and `model.load_weights(weights)`.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from vllm_migrate.resolve.syntax import in_order

if TYPE_CHECKING:
    from vllm_migrate.resolve.syntax import Syntax


class Held(NamedTuple):
    """What becomes of a walk that an attribute holds.

    Attributes:
        name: the attribute as written, "self.model_runner".
        further: the attributes that every use walks on by, ("model",).
        calls: the method calls at the end of it.
        releases: the statements that only give it a local name.
    """

    name: str
    further: tuple[str, ...]
    calls: tuple[ast.Call, ...]
    releases: tuple[ast.stmt, ...]


def held_walk(syntax: Syntax, walk: ast.expr, root: ast.expr, statement: ast.stmt) -> Held | None:
    """The uses of a walk that a statement keeps in an attribute of the class's own.

    None where the statement does something else, where what the walk starts from is not the class's own as
    well, or where any use is another than calling a method at the end.
    """
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return None
    target, value = statement.targets[0], statement.value
    if isinstance(value, ast.IfExp) and isinstance(value.orelse, ast.Constant) and value.orelse.value is None:
        value = value.body
    class_ = syntax.self_attribute(target)
    if value is not walk or class_ is None or not isinstance(target, ast.Attribute):
        return None
    if syntax.self_attribute(root) is not class_:
        return None
    if len(syntax.attribute_bindings.get(class_, {}).get(target.attr, ())) != 1:
        return None
    further: set[tuple[str, ...]] = set()
    calls: list[ast.Call] = []
    releases: list[ast.stmt] = []
    for use in syntax.in_order(ast.Attribute):
        if use.attr != target.attr or use is target or use is walk:
            continue
        if not isinstance(use.ctx, ast.Load) or syntax.self_attribute(use) is not class_:
            return None
        path, end = _walked_on(syntax, use)
        call = syntax.parents.get(end)
        if isinstance(call, ast.Call) and call.func is end and path:
            calls.append(call)
            further.add(path[:-1])
            continue
        release = syntax.statement(end)
        found = _called_by_name(syntax, end, release)
        if not found:
            return None
        calls += found
        releases.append(release)
        further.add(path)
    if len(further) != 1:
        return None
    name = ast.unparse(target)
    return Held(name, next(iter(further)), tuple(in_order(calls)), tuple(releases))


def _walked_on(syntax: Syntax, use: ast.Attribute) -> tuple[tuple[str, ...], ast.Attribute]:
    """The attributes behind a use, and the outermost of them."""
    path: list[str] = []
    above = syntax.parents.get(use)
    while isinstance(above, ast.Attribute):
        path.append(above.attr)
        use, above = above, syntax.parents.get(above)
    return tuple(path), use


def _called_by_name(syntax: Syntax, value: ast.expr, statement: ast.stmt) -> list[ast.Call]:
    """The method calls on a local name that a statement gives the value; none where it is used otherwise."""
    if not (isinstance(statement, ast.Assign) and statement.value is value and len(statement.targets) == 1):
        return []
    target = statement.targets[0]
    found = syntax.lookup(target.id, statement) if isinstance(target, ast.Name) else None
    if not isinstance(target, ast.Name) or found is None or len(found[1]) != 1:
        return []
    calls: list[ast.Call] = []
    for use in syntax.loads.get(target.id, ()):
        seen = syntax.lookup(target.id, use)
        if seen is None or seen[0] is not found[0]:
            continue
        method = syntax.parents.get(use)
        call = syntax.parents.get(method) if isinstance(method, ast.Attribute) else None
        if not isinstance(call, ast.Call) or call.func is not method:
            return []
        calls.append(call)
    return calls
