"""Moves a script's statements under `if __name__ == "__main__":`."""

from __future__ import annotations

from typing import Any

import libcst as cst

from vllm_migrate.edits.blocks import RefusedError

_SEES_NAMESPACE = {"globals", "locals", "vars", "exec", "dir"}


class _NamesIn(cst.CSTVisitor):
    """Names a piece of code reads and names it binds, without regard to nested scopes."""

    def __init__(self) -> None:
        super().__init__()
        self.read: set[str] = set()
        self.bound: set[str] = set()

    def visit_Name(self, node: cst.Name) -> None:  # noqa: N802 (libcst's naming)
        self.read.add(node.value)

    def visit_AssignTarget(self, node: cst.AssignTarget) -> None:  # noqa: N802 (same)
        self._bind(node.target)

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:  # noqa: N802 (same)
        self._bind(node.target)

    def visit_AugAssign(self, node: cst.AugAssign) -> None:  # noqa: N802 (same)
        self._bind(node.target)

    def visit_For(self, node: cst.For) -> None:  # noqa: N802 (same)
        self._bind(node.target)

    def visit_NamedExpr(self, node: cst.NamedExpr) -> None:  # noqa: N802 (same)
        self._bind(node.target)

    def visit_AsName(self, node: cst.AsName) -> None:  # noqa: N802 (same)
        self._bind(node.name)

    def visit_ImportAlias(self, node: cst.ImportAlias) -> None:  # noqa: N802 (same)
        if node.asname is None:
            self.bound.add(node.evaluated_name.partition(".")[0])

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:  # noqa: N802 (same)
        self.bound.add(node.name.value)

    def visit_ClassDef(self, node: cst.ClassDef) -> None:  # noqa: N802 (same)
        self.bound.add(node.name.value)

    def _bind(self, target: cst.BaseExpression) -> None:
        if isinstance(target, cst.Name):
            self.bound.add(target.value)
        elif isinstance(target, (cst.Tuple, cst.List)):
            for element in target.elements:
                self._bind(element.value)


def wrapped_in_main(module: cst.Module, first: int) -> cst.Module:
    """The module with its statements from index `first` on in `def main()` under a guard.

    Raises:
        RefusedError: where that would change what the code means: definitions among the statements, or
            functions before them that read what they bind.
    """
    kept, moved = list(module.body[:first]), list(module.body[first:])
    before, inside = _NamesIn(), _NamesIn()
    for statement in kept:
        statement.visit(before)
    for statement in moved:
        statement.visit(inside)
        if isinstance(statement, (cst.FunctionDef, cst.ClassDef)):
            raise RefusedError(f"{statement.name.value} is defined among the statements that would move")
        if isinstance(statement, cst.If) and "__name__" in cst.Module([]).code_for_node(statement.test):
            raise RefusedError("there is a __main__ guard already")
    shared = inside.bound & before.read
    shared -= _bound_by_plain_code(kept)
    if shared:
        raise RefusedError(f"code above reads {min(shared)}, which would become local to main()")
    twice = inside.bound & _bound_by_plain_code(kept)
    if twice:
        raise RefusedError(f"{min(twice)} is bound above and below the place where main() would begin")
    if _SEES_NAMESPACE & inside.read or "main" in before.bound | before.read | inside.read:
        raise RefusedError("the code uses the module's namespace or has a main of its own")
    return module.with_changes(body=[*kept, *_guarded(module, moved, bool(kept))], footer=[])


def _guarded(module: cst.Module, moved: list[Any], after_others: bool) -> list[Any]:
    blank = [cst.EmptyLine(indent=False), cst.EmptyLine(indent=False)]
    lead = list(moved[0].leading_lines)
    while lead and lead[0].comment is None:
        lead.pop(0)
    moved[0] = moved[0].with_changes(leading_lines=lead)
    main = cst.FunctionDef(
        cst.Name("main"),
        cst.Parameters(),
        cst.IndentedBlock(moved, footer=list(module.footer)),
        leading_lines=blank if after_others else [],
    )
    test = cst.parse_expression('__name__ == "__main__"')
    call = cst.IndentedBlock([cst.parse_statement("main()")])
    return [main, cst.If(test, call, leading_lines=blank)]


def _bound_by_plain_code(statements: list[Any]) -> set[str]:
    """Names that statements outside functions and classes bind."""
    names = _NamesIn()
    for statement in statements:
        if not isinstance(statement, (cst.FunctionDef, cst.ClassDef)):
            statement.visit(names)
    return names.bound
