"""VM203: an EngineArgs is taken apart by `asdict` on its way to an engine."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, ReplaceExpression, Safety
from vllm_migrate.facts.model import Subject
from vllm_migrate.files.located import Certainty
from vllm_migrate.files.python import parse_python
from vllm_migrate.resolve.syntax import last_name
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.engines import built, engine_calls
from vllm_migrate.rules.finding import make_finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Span
    from vllm_migrate.files.positions import SourceText
    from vllm_migrate.rules.base import Context

_CLASSES = ("EngineArgs", "AsyncEngineArgs")
_HEAD = "import dataclasses\n\nfrom vllm import LLM, EngineArgs\n\n\ndef build(args):\n"
_PARSED = "    engine_args = EngineArgs.from_cli_args(args)\n"


class AsDictionary(Rule):
    """An engine is built from `asdict` of an `EngineArgs`.

    ## What it does
    Finds `LLM(**asdict(engine_args))`, also by way of a name, and takes the fields as they are:
    `LLM(**vars(engine_args))`, as `LLM.from_engine_args` does it.

    ## Why it matters
    `asdict` goes down into fields that are dataclasses. On V0 `EngineArgs` had none. It holds a
    `CompilationConfig` and others by now, and what `asdict` makes of them is refused: the engine doesn't
    start.

    ## Fix safety
    Safe where the object is seen to be an `EngineArgs`; unsafe where only its name says so. Dictionaries
    that are used otherwise, too, are left to a person.
    """

    code = "VM203"
    name = "engine-args-as-dictionary"
    summary = "asdict takes an EngineArgs apart that the engine wants whole"
    level = Level.ERROR
    safety = Safety.SAFE
    examples = (
        Example(
            before=f"{_HEAD}{_PARSED}    return LLM(**dataclasses.asdict(engine_args))\n",
            after=f"{_HEAD}{_PARSED}    return LLM(**vars(engine_args))\n",
        ),
        Example(
            before=(
                f"{_HEAD}{_PARSED}    options = dataclasses.asdict(engine_args)\n"
                '    options["seed"] = 1\n    return LLM(**options)\n'
            ),
            after=(
                f"{_HEAD}{_PARSED}    options = dict(vars(engine_args))\n"
                '    options["seed"] = 1\n    return LLM(**options)\n'
            ),
        ),
        Example(
            before=f'{_HEAD}    return LLM(**dataclasses.asdict(args.engine_args) | {{"seed": 1}})\n',
            after=f'{_HEAD}    return LLM(**dict(vars(args.engine_args)) | {{"seed": 1}})\n',
            unsafe=True,
        ),
        Example(
            before=(
                f"{_HEAD}{_PARSED}    options = dataclasses.asdict(engine_args)\n"
                "    print(json.dumps(options))\n    return LLM(**options)\n"
            ),
        ),
        Example(
            before=(
                "from dataclasses import asdict\n\nfrom vllm import LLM\n\n\ndef build(config):\n"
                "    return LLM(**asdict(config))\n"
            ),
            unchanged=True,
        ),
        Example(
            before=f"{_HEAD}{_PARSED}    return LLM(**vars(engine_args))\n",
            unchanged=True,
        ),
        Example(
            before=f"{_HEAD}{_PARSED}    return LLM(**dataclasses.asdict(engine_args))\n",
            unchanged=True,
            source="0.10.2",
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield the `asdict` calls whose fields reach an engine."""
        if b"asdict(" not in file.source:
            return
        change = context.facts.change(
            Subject.BEHAVIOUR, "engine-args-hold-objects", context.source, context.target
        )
        if change is None:
            return
        engines = {call.span: call for call in engine_calls(file)}
        if not engines:  # what the many files with dataclasses of their own are not parsed again for
            return
        parsed = parse_python(file.path, file.source)
        text, module = parsed.text, parsed.module
        arguments = {
            call.span for call in file.calls if call.target.removeprefix("vllm.").startswith(_CLASSES)
        }
        for scope, call in _calls(module):
            engine = engines.get(text.span(call))
            for taken, alone in _taken_apart(call, scope) if engine is not None else ():
                certainty = _is_engine_args(taken.args[0], scope, text, arguments)
                if certainty is None or engine is None:
                    continue
                fields = f"vars({file.text(text.span(taken.args[0]))})"
                whole = any(k.arg is None and k.value is taken for k in call.keywords)
                new = fields if whole else f"dict({fields})"
                yield make_finding(
                    self,
                    file,
                    text.span(taken),
                    f"{built(engine)}(**asdict(...)): {change.fact.because}",
                    fact=change.fact,
                    edits=(ReplaceExpression(text.span(taken), new),) if alone else (),
                    advice=f"{new}, if nothing but the engine reads it",
                    certainty=certainty,
                )


def _calls(module: ast.Module) -> Iterator[tuple[ast.AST, ast.Call]]:
    """All calls, each with the innermost function around it, else the module."""
    scopes = [n for n in ast.walk(module) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    seen: set[ast.AST] = set()
    for scope in (*reversed(scopes), module):  # inner ones come last
        for node in ast.walk(scope):
            if isinstance(node, ast.Call) and node not in seen:
                seen.add(node)
                yield scope, node


def _taken_apart(call: ast.Call, scope: ast.AST) -> Iterator[tuple[ast.Call, bool]]:
    """The `asdict(x)` that reach a call through `**`, and whether nothing else reads what they return."""
    for keyword in call.keywords:
        if keyword.arg is not None:
            continue
        if isinstance(keyword.value, ast.Name):
            name = keyword.value.id
            for value in _bound_to(name, scope):
                for found in _in(value):
                    yield found, _is_only_changed(name, keyword.value, scope)
        else:
            for found in _in(keyword.value):
                yield found, True


def _in(value: ast.expr) -> Iterator[ast.Call]:
    """`asdict(x)`, alone or as a side of `|`."""
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.BitOr):
        yield from _in(value.left)
        yield from _in(value.right)
    elif isinstance(value, ast.Call) and len(value.args) == 1 and not value.keywords:
        func = value.func
        if last_name(func) == "asdict":
            yield value


def _bound_to(name: str, scope: ast.AST) -> list[ast.expr]:
    return [
        node.value
        for node in ast.walk(scope)
        if isinstance(node, ast.Assign) and any(getattr(t, "id", "") == name for t in node.targets)
    ]


def _is_only_changed(name: str, use: ast.Name, scope: ast.AST) -> bool:
    """Whether all but one reading of a dictionary set or read a key of it."""
    keyed = {node.value for node in ast.walk(scope) if isinstance(node, (ast.Subscript, ast.Attribute))}
    return all(
        node is use or node in keyed
        for node in ast.walk(scope)
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)
    )


def _is_engine_args(
    node: ast.expr, scope: ast.AST, text: SourceText, arguments: set[Span]
) -> Certainty | None:
    """How sure it is that an expression is an EngineArgs; None where nothing says so."""
    values = _bound_to(node.id, scope) if isinstance(node, ast.Name) else [node]
    if values and all(text.span(value) in arguments for value in values):
        return Certainty.CERTAIN
    last = last_name(node)
    return Certainty.LIKELY if last.endswith("engine_args") else None
