"""What takes the place of a walk from the engine into its model: calls that the engine has itself."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from packaging.version import Version

from vllm_migrate.edits.model import RemoveStatement, ReplaceExpression

if TYPE_CHECKING:
    from vllm_migrate.edits.model import Edit
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Chain, MethodCall
    from vllm_migrate.rules.base import Context

RELOADS_WHAT_IT_IS_GIVEN = Version("0.16.0")
"""The first release with `Worker.reload_weights(weights_iterator=...)`; before, it read its own files."""


def rpc_edits(file: FileFacts, chain: Chain) -> tuple[Edit, ...]:
    """The executor's `collective_rpc` becomes the engine's; nothing where the walk leads elsewhere."""
    if chain.bound_to or chain.patched:
        return ()
    engine = file.text(chain.root_span)
    called = [call.method for call in chain.method_calls] == ["collective_rpc"]
    if chain.attributes == ("engine", "model_executor") and called and chain.is_async:
        call = chain.method_calls[0]
        code = f"await {engine}.collective_rpc({file.text(call.arguments_span)})"
        return (ReplaceExpression(call.span, code),) if chain.owner == "vllm.AsyncLLMEngine" else ()
    inside = (
        ("model_executor",)
        if chain.owner in ("vllm.LLMEngine", "vllm.LLM")
        else ("llm_engine", "model_executor")
    )
    if called and chain.attributes in (inside, ("llm_engine", "model_executor")):
        return (ReplaceExpression(chain.span, engine),)
    if chain.attributes == (*inside, "collective_rpc"):
        return (ReplaceExpression(chain.span, f"{engine}.collective_rpc"),)
    return ()


def load_edits(file: FileFacts, chain: Chain, context: Context) -> tuple[Edit, ...]:
    """The loads of weights at the end of a walk become calls of the engine's; nothing for other walks."""
    receiver = _receiver(chain)
    calls = chain.method_calls
    walked = (*chain.attributes, *chain.further)
    if receiver is None or chain.patched or walked[-1] != "model" or not calls:
        return ()
    if any(call.method != "load_weights" for call in calls):
        return ()
    replaced = tuple(ReplaceExpression(call.span, _load(file, receiver, call, context)) for call in calls)
    if not chain.bound_to:
        return replaced
    if chain.further:
        gone = (chain.statement, *dict.fromkeys(chain.releases))
        return (*(RemoveStatement(statement) for statement in gone), *replaced)
    same = [other for other in file.chains if other.bound_to == chain.bound_to]
    if len(same) == 1:
        return () if chain.escapes else (RemoveStatement(chain.statement), *replaced)
    text = file.source.decode(file.encoding)
    uses = len(re.findall(rf"(?<![\w.]){re.escape(chain.bound_to)}\b", text))
    if uses != sum(1 + len(other.method_calls) for other in same):
        return ()
    return (RemoveStatement(chain.statement), *replaced)


def _receiver(chain: Chain) -> str | None:
    """What has apply_model: the LLM, or the LLMEngine the walk starts from."""
    if chain.attributes[:2] == ("llm_engine", "model_executor") or chain.attributes[:1] == (
        "model_executor",
    ):
        return chain.root
    return None


def _load(file: FileFacts, receiver: str, call: MethodCall, context: Context) -> str:
    arguments = file.text(call.arguments_span).strip()
    if context.target.version >= RELOADS_WHAT_IT_IS_GIVEN and _is_whole_model(arguments):
        if _is_bare_generator(arguments):
            arguments = f"({arguments})"  # as a value it would make a comprehension of the dictionary
        return f'{receiver}.collective_rpc("reload_weights", kwargs={{"weights_iterator": {arguments}}})'
    used = set(re.findall(r"\w+", arguments))
    name = next(
        name for name in ("model", "engine_model", "vllm_model", "the_engine_model") if name not in used
    )
    return f"{receiver}.apply_model(lambda {name}: {name}.{call.method}({arguments}))"


def _is_bare_generator(arguments: str) -> bool:
    """Whether it is a generator expression that borrows the call's parentheses."""
    try:
        return isinstance(ast.parse(f"[{arguments}\n]", mode="eval").body, ast.ListComp)
    except SyntaxError:
        return False


def _is_whole_model(arguments: str) -> bool:
    """Whether one iterable is passed that isn't a list of single tensors written out."""
    try:
        call = ast.parse(f"f({arguments})", mode="eval").body
    except SyntaxError:
        return False
    if not isinstance(call, ast.Call) or len(call.args) != 1 or call.keywords:
        return False
    return not isinstance(call.args[0], (ast.List, ast.Tuple, ast.Set, ast.Starred))
