"""Which annotations does Python evaluate?"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.resolve.syntax import FUNCTIONS

if TYPE_CHECKING:
    from vllm_migrate.resolve.syntax import Syntax


def never_evaluated(syntax: Syntax, node: ast.AST) -> bool:
    """Whether a node stands in an annotation that nothing evaluates when the program runs.

    That is one of a local variable; and, in quotes or under `from __future__ import annotations`, one of a
    module's variable and of a function without decorators. Decorators may read the annotations of what they
    decorate (web frameworks do), and so may the classes that fields belong to (dataclasses, pydantic).
    """
    inner, quoted = node, False
    for above in syntax.ancestors(node):
        if isinstance(above, ast.Constant):
            quoted = True
        elif isinstance(above, ast.arg) or (isinstance(above, FUNCTIONS) and inner is above.returns):
            function = next(
                (one for one in (above, *syntax.ancestors(above)) if isinstance(one, FUNCTIONS)), None
            )
            decorated = function is None or bool(function.decorator_list)
            return not decorated and (quoted or _are_lazy(syntax))
        elif isinstance(above, ast.AnnAssign):
            if inner is not above.annotation:
                return False
            scope = syntax.scope(above)
            if isinstance(scope, FUNCTIONS):
                return isinstance(above.target, ast.Name) or quoted or _are_lazy(syntax)
            return isinstance(scope, ast.Module) and (quoted or _are_lazy(syntax))
        elif isinstance(above, ast.stmt):
            return False
        inner = above
    return False


def _are_lazy(syntax: Syntax) -> bool:
    return any(
        node.module == "__future__" and any(alias.name == "annotations" for alias in node.names)
        for node in syntax.all(ast.ImportFrom)
    )
