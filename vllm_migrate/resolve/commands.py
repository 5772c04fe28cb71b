"""Servers that Python code starts: `subprocess.run(["vllm", "serve", ...])`, `os.system("vllm serve ...")`.

A command written as a list is followed through the name it is bound to and what is added to it. A string is
read as the shell script it is, where it goes to something that runs one.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from vllm_migrate.errors import InputError
from vllm_migrate.files.located import Argument, Certainty, Span, Variable
from vllm_migrate.files.word_lists import Item, Server, flags_in, server_in
from vllm_migrate.resolve.syntax import last_name
from vllm_migrate.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.files.positions import SourceText
    from vllm_migrate.resolve.calls import CallReader
    from vllm_migrate.resolve.syntax import Syntax
    from vllm_migrate.resolve.versions import VersionGates

_RUNNERS = frozenset(
    {
        "system", "popen", "run", "Popen", "call", "check_call", "check_output", "getoutput",
        "getstatusoutput", "create_subprocess_shell", "split", "execute", "run_command", "bash", "sh",
    }
)  # fmt: skip
_IN_SHELL = re.compile(rb"vllm serve|vllm-serve|vllm\.entrypoints\.[\w.]*api_server")
_IN_LIST = re.compile(
    rb"[\"'](?:serve|vllm-serve|vllm\.entrypoints\.[\w.]*api_server|trl\.scripts\.vllm_serve)[\"']"
)
_BRACES = re.compile(r"\{\{|\}\}|\{[^{}]*\}")
_ADDS = {"append": False, "extend": True, "insert": False}  # whether what is added is a list
_DEEPEST = 6


@dataclass(frozen=True, slots=True)
class Commands:
    """What the commands in a file say about vLLM."""

    arguments: tuple[Argument, ...] = ()
    variables: tuple[Variable, ...] = ()


@dataclass(frozen=True, slots=True)
class _List:
    """A list that goes into a command, and how sure that is."""

    node: ast.expr
    certainty: Certainty = Certainty.CERTAIN


class CommandReader:
    """Finds server commands."""

    def __init__(self, syntax: Syntax, text: SourceText, gates: VersionGates, calls: CallReader) -> None:
        self._syntax = syntax
        self._text = text
        self._gates = gates
        self._calls = calls
        self._latin = ""
        self._taken: set[ast.AST] = set()

    def read(self) -> Commands:
        """All commands that start a server."""
        source = self._text.source
        if b"serve" not in source:
            return Commands()
        arguments: list[Argument] = []
        variables: list[Variable] = []
        if _IN_LIST.search(source):
            self._latin = source.decode("latin-1")
            for words in self._syntax.all(ast.List):
                arguments += self._command(words)
            for words_too in self._syntax.all(ast.Tuple):
                arguments += self._command(words_too)
        if _IN_SHELL.search(source):
            self._latin = source.decode("latin-1")
            for text in (*self._syntax.all(ast.Constant), *self._syntax.all(ast.JoinedStr)):
                inside = self._script(text)
                arguments += inside.arguments
                variables += inside.variables
        return Commands(tuple(arguments), tuple(variables))

    # Lists of words

    def _command(self, node: ast.List | ast.Tuple) -> Iterator[Argument]:
        if not isinstance(node.ctx, ast.Load) or node in self._taken:
            return
        items = self._items(node)
        server = server_in(items)
        if server is None:
            return
        yield from self._flags(_List(node), items[server.start :], server)
        for more in self._added(node):
            if more.node not in self._taken:
                yield from self._flags(more, self._items(more.node), server)

    def _flags(self, place: _List, items: list[Item], server: Server) -> Iterator[Argument]:
        self._taken.add(place.node)
        dead = self._gates.is_dead(place.node)
        for found in flags_in(self._latin, items, server):
            certainty = found.certainty if place.certainty is Certainty.CERTAIN else place.certainty
            alone = isinstance(place.node, ast.Constant)  # `append("--flag")`: the call goes, not an item
            yield replace(found, certainty=certainty, dead=dead, fixed=found.fixed or alone)

    def _items(self, node: ast.expr) -> list[Item]:
        elements = node.elts if isinstance(node, (ast.List, ast.Tuple)) else [node]
        items = []
        for element in elements:
            span = self._text.span(element)
            inside = self._calls.inside_quotes(element)
            value = element.value if isinstance(element, ast.Constant) and inside != span else None
            word = value if isinstance(value, str) else None
            items.append(Item(word, span, inside, isinstance(element, ast.Starred)))
        return items

    def _added(self, node: ast.expr) -> Iterator[_List]:
        """The lists that go into the same command as `node`."""
        whole: ast.expr = node
        above = self._syntax.parents[whole]
        while isinstance(above, ast.BinOp) and isinstance(above.op, ast.Add):
            whole, above = above, self._syntax.parents[above]
        if isinstance(node, (ast.List, ast.Tuple)):
            for element in node.elts:
                if isinstance(element, ast.Starred):
                    yield from self._lists(element.value, 0)
        if whole is not node:
            yield from (found for found in self._lists(whole, 0) if found.node is not node)
        target = above.targets[0] if isinstance(above, ast.Assign) and len(above.targets) == 1 else None
        if isinstance(above, ast.AnnAssign):
            target = above.target
        if isinstance(target, ast.Name):
            yield from self._changes(target, 0)

    def _lists(self, node: ast.expr, depth: int) -> Iterator[_List]:
        """The lists an expression is made of."""
        if depth > _DEEPEST:
            return
        if isinstance(node, (ast.List, ast.Tuple)):
            yield _List(node)
            for element in node.elts:
                if isinstance(element, ast.Starred):
                    yield from self._lists(element.value, depth + 1)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            yield from self._lists(node.left, depth + 1)
            yield from self._lists(node.right, depth + 1)
        elif isinstance(node, ast.IfExp):
            yield from self._lists(node.body, depth + 1)
            yield from self._lists(node.orelse, depth + 1)
        elif isinstance(node, ast.Name):
            found = self._syntax.lookup(node.id, node)
            values = [b.node for b in found[1] if b.kind == "value" and not b.path] if found else []
            for value in values:
                if isinstance(value, ast.expr):
                    sure = len(values) == 1
                    lists = self._lists(value, depth + 1)
                    yield from lists if sure else (_List(one.node, Certainty.LIKELY) for one in lists)
            yield from self._changes(node, depth)

    def _changes(self, name: ast.Name, depth: int) -> Iterator[_List]:
        """What is added to the list a name is bound to: `cmd += [...]`, `cmd.extend([...])`."""
        found = self._syntax.lookup(name.id, name)
        scope = found[0] if found else None

        def is_it(node: ast.expr) -> bool:
            if not (isinstance(node, ast.Name) and node.id == name.id):
                return False
            same = self._syntax.lookup(node.id, node)
            return same is not None and same[0] is scope

        for augmented in self._syntax.all(ast.AugAssign):
            if isinstance(augmented.op, ast.Add) and is_it(augmented.target):
                yield from self._lists(augmented.value, depth + 1)
        for assign in self._syntax.all(ast.Assign):
            value = assign.value
            if isinstance(value, ast.BinOp) and is_it(assign.targets[0]) and is_it(value.left):
                yield from self._lists(value.right, depth + 1)
        for call in self._syntax.all(ast.Call):
            func = call.func
            if isinstance(func, ast.Attribute) and func.attr in _ADDS and call.args and is_it(func.value):
                if _ADDS[func.attr]:
                    yield from self._lists(call.args[0], depth + 1)
                elif isinstance(call.args[-1], ast.Constant):
                    yield _List(call.args[-1])

    # Strings that a shell reads

    def _script(self, node: ast.expr) -> Commands:
        if isinstance(self._syntax.parents[node], ast.JoinedStr):
            return Commands()  # a piece of one that is read as a whole
        span = self._text.span(node)
        if not _IN_SHELL.search(self._text.source, span.start, span.end) or not self._is_run(node):
            return Commands()
        from vllm_migrate.files.shell import script_facts  # noqa: PLC0415 - few files hold a script

        inside = _inside(self._latin, span)
        if inside is None:
            return Commands()
        written = self._latin[inside.start : inside.end]
        formatted = isinstance(node, ast.JoinedStr)
        masked = _BRACES.sub(lambda found: "$" + "x" * (len(found[0]) - 1), written) if formatted else written
        text = self._latin[: inside.start] + masked + self._latin[inside.end :]
        try:
            script = script_facts(text, inside.start, inside.end, whole_lines=False)
        except InputError:
            return Commands()
        fixed = "\\" in written
        dead = self._gates.is_dead(node)
        return Commands(
            tuple(replace(a, dead=dead, fixed=a.fixed or fixed) for a in script.arguments),
            tuple(replace(v, removable=False, dead=dead) for v in script.variables if v.action == "set"),
        )

    def _is_run(self, node: ast.expr) -> bool:
        """Whether a string goes to something that runs it, by way of a name at most."""
        above = self._syntax.parents[node]
        if isinstance(above, ast.Call):
            return _runs(above)
        name = above.targets[0] if isinstance(above, ast.Assign) and len(above.targets) == 1 else None
        if not isinstance(name, ast.Name):
            return False
        scope = self._syntax.scope(name)
        return any(
            isinstance(call := self._syntax.parents[use], ast.Call) and _runs(call)
            for use in self._syntax.loads.get(name.id, ())
            if (found := self._syntax.lookup(name.id, use)) is not None and found[0] is scope
        )


def _runs(call: ast.Call) -> bool:
    func = call.func
    name = last_name(func)
    return name in _RUNNERS


def _inside(text: str, span: Span) -> Span | None:
    """What stands between the quotes of one string literal, None for several or for a raw or byte string."""
    match = re.match(r"[fFuU]?('''|\"\"\"|'|\")", text[span.start : span.end])
    if match is None:
        return None
    start, end = span.start + match.end(), span.end - len(match[1])
    return Span(start, end) if end >= start and match[1] not in text[start:end] else None
