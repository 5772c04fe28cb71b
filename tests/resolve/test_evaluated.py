"""What stands in an annotation that nothing evaluates breaks no run."""

from __future__ import annotations

import ast

import pytest

from vllm_migrate.resolve.evaluated import never_evaluated
from vllm_migrate.resolve.syntax import Syntax

_LAZY = "from __future__ import annotations\n"


@pytest.mark.parametrize(
    ("code", "unread"),
    [
        (f"{_LAZY}def f(x: Gone): ...", True),
        (f"{_LAZY}def f() -> list[Gone]: ...", True),
        (f"{_LAZY}async def f(*, x: Gone | None = None): ...", True),
        (f"{_LAZY}x: Gone = 1", True),
        ("def f():\n    x: Gone = 1", True),  # a local's is never evaluated
        ("def f(x: Gone): ...", False),
        ("def f() -> Gone: ...", False),
        ("x: Gone = 1", False),
        (f"{_LAZY}def f(x=Gone): ...", False),
        (f"{_LAZY}@app.get('/')\ndef f(x: Gone): ...", False),  # a web framework reads it
        (f"{_LAZY}class C:\n    x: Gone", False),  # pydantic does
        (f"{_LAZY}class C:\n    def f(self, x: Gone): ...", True),
        (f"{_LAZY}x: int = Gone", False),
        (f"{_LAZY}Gone()", False),
        ("def f():\n    self.x: Gone = 1", False),  # of an attribute it is evaluated
    ],
)
def test_which_annotations_are_evaluated(code: str, unread: bool) -> None:
    syntax = Syntax(ast.parse(code))
    name = syntax.loads["Gone"][0]
    assert never_evaluated(syntax, name) is unread
