"""VM510: a method that runs on the workers loads weights into the layers in place."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, ReplaceExpression, Safety
from vllm_migrate.facts.model import Engine
from vllm_migrate.files.python import parse_python
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding, one_line
from vllm_migrate.rules.weight_sync.walk_edits import RELOADS_WHAT_IT_IS_GIVEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.positions import SourceText
    from vllm_migrate.rules.base import Context

_WHOLE = frozenset({"items", "named_parameters", "keys"})
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_HEAD = "from safetensors.torch import load_file\n\n\nclass Sync:\n"


class LoadInWorker(Rule):
    """A worker's method hands a whole set of weights to `self.model_runner.model.load_weights`.

    ## What it does
    Calls the Worker's own `reload_weights(weights_iterator=...)`, where the weights are the items of a
    dictionary or a model's named parameters, or a list with an entry for each of them. A list of single
    tensors is left alone. `reload_weights` returns nothing: where the names that `load_weights` returned are
    used without asking whether there are any, it is left to a person.

    ## Why it matters
    V1 keeps weights in the layout its kernels want: on CPU those of all linear layers, on GPU those of
    quantised ones. `load_weights` in place then raises, because the parameter it should fill is empty, or
    fills one that nobody reads any more. `reload_weights` converts the layers anew. For unquantised models
    on GPU both do the same.

    ## Fix safety
    Unsafe: `reload_weights` takes all of the model's weights at once; of a fused layer that is given in
    parts it keeps only the parts.
    """

    code = "VM510"
    name = "load-in-worker"
    summary = "a worker loads weights in place, which not all layers can take"
    level = Level.NOTE
    safety = Safety.UNSAFE
    examples = (
        Example(
            before=(
                f"{_HEAD}    def update(self, path):\n"
                "        self.model_runner.model.load_weights(load_file(path).items())\n"
            ),
            after=(
                f"{_HEAD}    def update(self, path):\n"
                "        self.reload_weights(weights_iterator=load_file(path).items())\n"
            ),
            unsafe=True,
        ),
        Example(
            before=(
                f"{_HEAD}    def update(self, path):\n        weights = load_file(path)\n"
                "        self.model_runner.model.load_weights(weights=weights.items())\n"
            ),
            after=(
                f"{_HEAD}    def update(self, path):\n        weights = load_file(path)\n"
                "        self.reload_weights(weights_iterator=weights.items())\n"
            ),
            unsafe=True,
        ),
        Example(
            before=(
                f"{_HEAD}    def update(self, name, tensor):\n"
                "        self.model_runner.model.load_weights([(name, tensor)])\n"
            ),
            unchanged=True,
        ),
        Example(
            before=(
                f"{_HEAD}    def update(self, path):\n"
                "        self.model_runner.model.load_weights(load_file(path).items())\n"
            ),
            unchanged=True,
            target="0.15.1",
        ),
        Example(
            before=(
                f"{_HEAD}    def update(self, path):\n"
                "        loaded = self.model_runner.model.load_weights(load_file(path).items())\n"
                "        return len(loaded)\n"
            ),
        ),
        Example(
            before=(
                f"{_HEAD}    def update(self, path, dtype):\n"
                "        weights = [(name, w.to(dtype)) for name, w in load_file(path).items()]\n"
                "        loaded = self.model_runner.model.load_weights(weights=weights)\n"
                "        return len(loaded) if loaded is not None else -1\n"
            ),
            after=(
                f"{_HEAD}    def update(self, path, dtype):\n"
                "        weights = [(name, w.to(dtype)) for name, w in load_file(path).items()]\n"
                "        loaded = self.reload_weights(weights_iterator=weights)\n"
                "        return len(loaded) if loaded is not None else -1\n"
            ),
            unsafe=True,
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield the loads of whole models in methods that run on the workers."""
        if not file.workers or b"load_weights" not in file.source or context.source.engine is Engine.V1:
            return
        if context.target.version < RELOADS_WHAT_IT_IS_GIVEN:
            return
        parsed = parse_python(file.path, file.source)
        names = {worker.name for worker in file.workers}
        for class_ in ast.walk(parsed.module):
            if not isinstance(class_, ast.ClassDef) or class_.name not in names:
                continue
            for method in class_.body:
                if isinstance(method, _Function):
                    for statement in ast.walk(method):
                        if isinstance(statement, ast.stmt) and (call := _load(statement, method)) is not None:
                            yield self._found(file, parsed.text, _is_unused(statement, method), *call)

    def _found(
        self, file: FileFacts, text: SourceText, unused: bool, call: ast.Call, weights: ast.expr
    ) -> Finding:
        span = text.span(call)
        new = f"self.reload_weights(weights_iterator={file.text(text.span(weights))})"
        return make_finding(
            self,
            file,
            span,
            "load_weights in place raises where V1 keeps layers in another layout: on CPU, and quantised",
            edits=(ReplaceExpression(span, new),) if unused else (),
            advice=one_line(new) + ("" if unused else ", which returns nothing"),
            precondition="all of the model's weights come in one call",
        )


def _load(statement: ast.stmt, method: _Function) -> tuple[ast.Call, ast.expr] | None:
    """The statement's `self.model_runner.model.load_weights(...)` of a whole model, with the weights."""
    call = statement.value if isinstance(statement, (ast.Expr, ast.Assign, ast.Return)) else None
    if not isinstance(call, ast.Call) or ast.unparse(call.func) != "self.model_runner.model.load_weights":
        return None
    values = [*call.args, *(k.value for k in call.keywords if k.arg == "weights")]
    if len(values) != 1 or len(call.args) + len(call.keywords) != 1:
        return None
    return (call, values[0]) if _is_whole(values[0], method) else None


def _is_whole(weights: ast.expr, method: _Function) -> bool:
    """Whether these are a model's weights, all of them: `x.items()`, or an entry for each of `x.items()`."""
    if isinstance(weights, ast.Name):
        bound = [
            node.value
            for node in ast.walk(method)
            if isinstance(node, ast.Assign) and any(_is_named(target, weights.id) for target in node.targets)
        ]
        stored = sum(
            isinstance(node, ast.Name) and node.id == weights.id and isinstance(node.ctx, ast.Store)
            for node in ast.walk(method)
        )
        return (
            len(bound) == stored == 1 and not isinstance(bound[0], ast.Name) and _is_whole(bound[0], method)
        )
    if isinstance(weights, (ast.ListComp, ast.GeneratorExp)):
        first = weights.generators[0]
        return len(weights.generators) == 1 and not first.ifs and _is_whole(first.iter, method)
    if not isinstance(weights, ast.Call):
        return False
    if isinstance(weights.func, ast.Name):
        return (
            weights.func.id in ("list", "tuple")
            and len(weights.args) == 1
            and _is_whole(weights.args[0], method)
        )
    return isinstance(weights.func, ast.Attribute) and weights.func.attr in _WHOLE


def _is_unused(statement: ast.stmt, method: _Function) -> bool:
    """Whether nobody needs what the call returns: it is dropped, or its readers reckon with None."""
    if isinstance(statement, ast.Expr):
        return True
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return False
    target = statement.targets[0]
    if not isinstance(target, ast.Name):
        return False
    reckoned = {
        inner
        for node in ast.walk(method)
        if isinstance(node, (ast.If, ast.IfExp)) and _asks_for(node.test, target.id)
        for inner in ast.walk(node)
    }
    return all(
        node in reckoned
        for node in ast.walk(method)
        if isinstance(node, ast.Name) and node.id == target.id and isinstance(node.ctx, ast.Load)
    )


def _asks_for(test: ast.expr, name: str) -> bool:
    """Whether a condition is `name`, `name is None` or `name is not None`."""
    if isinstance(test, ast.Compare) and isinstance(test.ops[0], (ast.Is, ast.IsNot)):
        test = test.left
    return _is_named(test, name)


def _is_named(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
