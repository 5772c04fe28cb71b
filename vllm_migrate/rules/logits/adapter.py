"""A per-request processor as V1 takes it: a class for the engine, and what each request gives it.

`AdapterLogitsProcessor` (vllm/v1/sample/logits_processor, from 0.10.2) asks a subclass once per request for a
function `(output ids, logits)` or `(prompt ids, output ids, logits)`, as V0 took them. With
`is_argmax_invariant()` False it runs where V0's ran: before penalties and temperature.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vllm_migrate.resolve.syntax import last_name

if TYPE_CHECKING:
    from vllm_migrate.rules.module import Module

_NOT_SENT = ("tokenizer", "tok", "model", "llm", "self", "processor")
"""Names of objects that can't be sent to the engine's process with a request."""


@dataclass(frozen=True, slots=True)
class Processor:
    """One processor of a request.

    Attributes:
        key: its name in the request's extra_args.
        make: the expression that makes it in the engine, from `arguments`.
        carried: the expression for what extra_args holds under the key.
    """

    key: str
    make: str
    carried: str

    @property
    def adapter(self) -> str:
        """The name of the class."""
        return "".join(part[:1].upper() + part[1:] for part in self.key.split("_")) + "Adapter"

    @property
    def code(self) -> str:
        """The class's definition."""
        return (
            f"class {self.adapter}(AdapterLogitsProcessor):\n"
            "    def is_argmax_invariant(self):\n"
            "        return False\n"
            "\n"
            "    def new_req_logits_processor(self, params):\n"
            f'        arguments = (params.extra_args or {{}}).get("{self.key}")\n'
            f"        return None if arguments is None else {self.make}\n"
        )


def read_processors(node: ast.expr, module: Module) -> tuple[Processor, ...] | None:
    """The processors of a list, or None where one of them can't be made in another process."""
    if isinstance(node, ast.Name):
        value = module.value(node)
        return read_processors(value, module) if isinstance(value, ast.List) else None
    if not isinstance(node, ast.List):
        return None
    found: list[Processor] = []
    for element in node.elts:
        processor = _processor(element, module)
        if processor is None or any(processor.key == other.key for other in found):
            return None
        found.append(processor)
    return tuple(found) or None


def _processor(node: ast.expr, module: Module) -> Processor | None:
    if isinstance(node, ast.Name):
        if node.id in module.names:
            return Processor(node.id, node.id, "True")
        value = module.value(node)
        return _processor(value, module) if isinstance(value, ast.Call) else None
    if isinstance(node, ast.Attribute):
        name = ast.unparse(node)
        return Processor(node.attr, name, "True") if _root(node) in module.names else None
    if not isinstance(node, ast.Call):
        return None
    made, given = node.func, list(node.args)
    partial = ast.unparse(made) in ("partial", "functools.partial") and bool(given)
    factory = given.pop(0) if partial else made
    if not (isinstance(factory, (ast.Name, ast.Attribute)) and _root(factory) in module.names):
        return None
    if _root(made) not in module.names:
        return None
    if not all(map(_can_be_sent, (*given, *(k.value for k in node.keywords)))) or any(
        k.arg is None for k in node.keywords
    ):
        return None
    name = ast.unparse(factory)
    head = f"{ast.unparse(made)}({name}, " if partial else f"{name}("
    named = ", ".join(f'"{k.arg}": {ast.unparse(k.value)}' for k in node.keywords)
    listed = ", ".join(map(ast.unparse, given))
    if given and named:
        make, carried = f"{head}*arguments[0], **arguments[1])", f"[[{listed}], {{{named}}}]"
    elif named:
        make, carried = f"{head}**arguments)", f"{{{named}}}"
    else:
        make, carried = f"{head}*arguments)", f"[{listed}]"
    return Processor(name.rpartition(".")[2], make, carried)


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _can_be_sent(node: ast.expr) -> bool:
    """Whether a value may be plain data; functions and objects known by their usual names are not."""
    if isinstance(node, (ast.Lambda, ast.Starred, ast.GeneratorExp)):
        return False
    last = last_name(node)
    if isinstance(node, ast.Call):
        return not ast.unparse(node.func).endswith(("get_tokenizer", "from_pretrained", ".to", ".cuda"))
    return last.lstrip("_") not in _NOT_SENT and not last.endswith(("tokenizer", "engine", "model"))
