"""What a walked tree answers about its nodes."""

from __future__ import annotations

import ast

from vllm_migrate.resolve.syntax import Syntax

NESTED = """
top()

def outer():
    first()
    later = lambda: second()

    def inner():
        third()

    return [fourth() for _ in ()]

class Held:
    size = fifth()

    async def method(self):
        sixth()
"""


def test_nodes_by_their_innermost_named_function() -> None:
    syntax = Syntax(ast.parse(NESTED))
    called = {
        function.name: [ast.unparse(call.func) for call in syntax.within(function, ast.Call)]
        for function in syntax.functions()
    }
    assert called == {"outer": ["first", "second", "fourth"], "inner": ["third"], "method": ["sixth"]}
    every = [call for function in syntax.functions() for call in syntax.within(function, ast.Call)]
    assert len(every) == len(syntax.all(ast.Call)) - 2


def test_a_kind_that_a_function_has_none_of() -> None:
    syntax = Syntax(ast.parse(NESTED))
    inner = next(function for function in syntax.functions() if function.name == "inner")
    assert syntax.within(inner, ast.Return) == []
