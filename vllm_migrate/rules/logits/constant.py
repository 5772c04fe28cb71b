"""Processors that only add constants to the logits of some tokens, or let only some tokens through.

vLLM has parameters for both, in every release: `logit_bias` and `allowed_token_ids`.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.resolve.syntax import last_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.rules.module import Module

_ADDS, _BANS = "adds", "bans"
_ONE_ID = ("eos_token_id", "bos_token_id", "pad_token_id", "unk_token_id", "sep_token_id", "cls_token_id")
_MAKE_ONE = ("convert_tokens_to_ids", "token_to_id")
_MAKE_LISTS = ("encode", "list", "sorted", "tolist")


def as_parameter(processor: ast.expr, module: Module) -> tuple[str, str] | None:
    """The sampling parameter that does what a processor does, as name and value; None where none does."""
    if not isinstance(processor, ast.Name):
        return None
    function = module.definition(processor)
    if function is None or function.args.vararg or function.args.kwarg or function.decorator_list:
        return None
    parameters = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
    if len(parameters) not in (2, 3):  # (output ids, logits) or (prompt ids, output ids, logits)
        return None
    logits, ids = parameters[-1], parameters[:-1]
    body = [s for s in function.body if not _is_docstring(s)]
    return _changed(body, logits, ids, module) or _let_through(body, logits, ids, module)


def _changed(
    body: Sequence[ast.stmt], logits: str, ids: Sequence[str], module: Module
) -> tuple[str, str] | None:
    """`logits[TOKENS] = -inf` or `logits[TOKENS] += 2.5`, then `return logits`."""
    if len(body) != 2 or not _returns(body[1], logits):  # noqa: PLR2004 (the change and the return)
        return None
    change = body[0]
    if isinstance(change, ast.Assign) and len(change.targets) == 1 and _is_minus_infinity(change.value):
        place, bias = change.targets[0], 'float("-inf")'
    elif isinstance(change, ast.AugAssign) and isinstance(change.op, (ast.Add, ast.Sub)):
        number = change.value
        place, bias = change.target, ast.unparse(number)
        if not (isinstance(number, ast.Constant) and isinstance(number.value, (int, float))):
            return None
        bias = f"-{bias}" if isinstance(change.op, ast.Sub) else bias
    else:
        return None
    tokens = _tokens(place, logits, ids)
    if tokens is None:
        return None
    several = _are_several(tokens, module)
    if several is None:
        return None
    source = ast.unparse(tokens)
    if several:
        return "logit_bias", f"{{token_id: {bias} for token_id in {source}}}"
    return "logit_bias", f"{{{source}: {bias}}}"


def _let_through(
    body: Sequence[ast.stmt], logits: str, ids: Sequence[str], module: Module
) -> tuple[str, str] | None:
    """`mask = torch.full_like(logits, -inf)`, `mask[TOKENS] = logits[TOKENS]`, `return mask`."""
    if len(body) != 3:  # noqa: PLR2004 (the mask, what is let through, the return)
        return None
    make, fill, give = body
    if not (isinstance(make, ast.Assign) and isinstance(make.targets[0], ast.Name)):
        return None
    mask, call = make.targets[0].id, make.value
    masks = (
        isinstance(call, ast.Call)
        and ast.unparse(call.func).endswith("full_like")
        and len(call.args) == 2  # noqa: PLR2004 (like what, with what)
        and ast.unparse(call.args[0]) == logits
        and _is_minus_infinity(call.args[1])
    )
    if not (masks and isinstance(fill, ast.Assign) and len(fill.targets) == 1):
        return None
    tokens = _tokens(fill.targets[0], mask, ids)
    if tokens is None or not _are_several(tokens, module):
        return None
    kept = ast.unparse(fill.value) == f"{logits}[{ast.unparse(tokens)}]" and _returns(give, mask)
    added = (
        isinstance(fill.value, ast.Constant)
        and fill.value.value == 0
        and isinstance(give, ast.Return)
        and give.value is not None
        and ast.unparse(give.value) in (f"{logits} + {mask}", f"{mask} + {logits}")
    )
    return ("allowed_token_ids", ast.unparse(tokens)) if kept or added else None


def _tokens(place: ast.expr, array: str, ids: Sequence[str]) -> ast.expr | None:
    """TOKENS of `array[TOKENS]`, where they don't depend on what was generated."""
    if not (isinstance(place, ast.Subscript) and ast.unparse(place.value) == array):
        return None
    used = {node.id for node in ast.walk(place.slice) if isinstance(node, ast.Name)}
    if used & {array, *ids} or isinstance(place.slice, (ast.Slice, ast.Tuple)):
        return None
    return place.slice


def _are_several(tokens: ast.expr, module: Module) -> bool | None:
    """Whether an expression is a list of token ids (True) or one id (False); None where that is open."""
    if isinstance(tokens, (ast.List, ast.ListComp)):
        return True
    if isinstance(tokens, ast.Constant):
        return False if isinstance(tokens.value, int) else None
    if isinstance(tokens, ast.Attribute):
        return False if tokens.attr in _ONE_ID else None
    if isinstance(tokens, ast.Subscript):
        inner = _are_several(tokens.value, module)
        return False if inner else None
    if isinstance(tokens, ast.Call):
        called = tokens.func
        name = last_name(called)
        return True if name in _MAKE_LISTS else False if name in _MAKE_ONE else None
    if isinstance(tokens, ast.Name):
        value = _bound(tokens, module)
        return _are_several(value, module) if value is not None else None
    return None


def _bound(name: ast.Name, module: Module) -> ast.expr | None:
    """What a name that a processor closes over is assigned, where that is one thing in the whole file."""
    found = [
        node.value
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == name.id for target in node.targets)
    ]
    return found[0] if len(found) == 1 and not isinstance(found[0], ast.Name) else None


def _is_minus_infinity(node: ast.expr) -> bool:
    return ast.unparse(node).replace('"', "'") in (
        "float('-inf')",
        "-float('inf')",
        "-math.inf",
        "-torch.inf",
        "-np.inf",
        "-numpy.inf",
    )


def _returns(statement: ast.stmt, name: str) -> bool:
    return (
        isinstance(statement, ast.Return)
        and isinstance(statement.value, ast.Name)
        and statement.value.id == name
    )


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
