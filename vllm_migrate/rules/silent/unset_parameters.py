"""Whether an engine gets requests that leave their sampling parameters to it.

`LLM.generate()` and `LLM.chat()` without sampling parameters, or with None, take the engine's defaults
(vllm/entrypoints/llm.py, `get_default_sampling_params`), and so does vLLM's own server for what a request
leaves unset. An engine that is fed by `add_request()` or `AsyncLLMEngine.generate()` has to be given them.
"""

from __future__ import annotations

import ast
import re
from enum import IntEnum
from typing import TYPE_CHECKING

from vllm_migrate.files.python import parse_text
from vllm_migrate.resolve.calls import is_main_guard
from vllm_migrate.resolve.syntax import last_name
from vllm_migrate.rules.module import Module
from vllm_migrate.rules.silent.fed import is_document
from vllm_migrate.rules.silent.held import held

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Call
    from vllm_migrate.rules.base import Context
    from vllm_migrate.rules.silent.held import Held

REQUESTS = ("generate", "chat")
_DEFAULTS = frozenset({"get_default_sampling_params", "get_diff_sampling_param"})
_SERVER = re.compile(
    rb"vllm\.entrypoints\.(?:openai|serve|api_server|launcher)|OpenAIServing|get_diff_sampling_param"
)
_SERVER_WORDS = (b"vllm.entrypoints", b"OpenAIServing", b"get_diff_sampling_param")
# `engine.generate(...)` and `actor.generate.remote(...)`; a model of Transformers has no such name.
_ENGINE = re.compile(
    r"(?:llm|vllm|engine)s?(?:_?model|_?actor|\d)?$|^(?:actor|rollout_worker)$", re.IGNORECASE
)
_TELLING = frozenset({"sampling_params", "prompt_token_ids", "use_tqdm", "lora_request"})
_OF_A_MODEL = frozenset({"attention_mask", "do_sample", "input_ids", "max_length", "max_new_tokens"})
"""Arguments of `generate()` of a model of Transformers."""
_CURRENT = re.compile(rb"^[ \t]*(?:from|import)[ \t]+vllm\.v1\b", re.MULTILINE)
"""Imports of what has been in use since 0.8, where the defaults are those of the target."""


class Unset(IntEnum):
    """What is seen of the requests' sampling parameters."""

    NEVER = 0  # every request has its own, or there is none
    UNKNOWN = 1  # a value that may be None, or requests that are out of sight
    SOMETIMES = 2  # a request without them, or a server whose clients may leave them out


def unset_parameters(file: FileFacts, call: Call, context: Context) -> Unset:
    """Whether requests to the engine that a call builds may leave their sampling parameters unset.

    Whoever overrides the defaults knows them, and a document only shows how to ask.
    """
    if call.argument("override_generation_config") is not None or is_document(file.path):
        return Unset.NEVER
    if b"vllm.v1" in file.source and _CURRENT.search(file.source):
        return Unset.NEVER
    if call.target != "vllm.LLM":
        return _served(file, call, context)
    found = held(file, call)
    if found is None:
        return _out_of_sight(file, context)
    seen: list[Unset] = []
    for use in found.uses:
        if use.attr in _DEFAULTS:
            seen.append(Unset.SOMETIMES)
        elif use.attr in REQUESTS:
            asked = _asked(use, found.module)
            seen.append(_of_callers(use, found.module, file, context) if asked is None else asked)
    if found.escapes and max(seen, default=Unset.NEVER) is Unset.NEVER and not _is_handed_on_with(found):
        seen.append(_elsewhere(file, context, default=Unset.NEVER if seen else _out_of_sight(file, context)))
    return max(seen, default=Unset.NEVER)


def _is_handed_on_with(found: Held) -> bool:
    """Whether an engine that a local name keeps is only handed on together with sampling parameters.

    `Wrapper(llm, sampling_params=SamplingParams(...))`: whoever takes both gives the engine the parameters.
    """
    statement = found.parent(found.node)
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    if not isinstance(target, ast.Name):
        return False
    handed = False
    for node in ast.walk(found.module.scope(found.node)):
        if not (isinstance(node, ast.Name) and node.id == target.id and isinstance(node.ctx, ast.Load)):
            continue
        above = found.parent(node)
        if isinstance(above, ast.Attribute):
            continue
        call = found.parent(above) if isinstance(above, ast.keyword) else above
        if not (isinstance(call, ast.Call) and node is not call.func and _has_parameters(call)):
            return False
        handed = True
    return handed


def _has_parameters(call: ast.Call) -> bool:
    """Whether a call is given sampling parameters that are made there."""
    given = (*call.args, *(keyword.value for keyword in call.keywords))
    return any(isinstance(one, ast.Call) and last_name(one.func) == "SamplingParams" for one in given)


def _served(file: FileFacts, call: Call, context: Context) -> Unset:
    """What serves requests of vLLM's own server; nothing else lets them come without parameters."""
    if _SERVER.search(file.source):
        return Unset.SOMETIMES
    if b"SamplingParams" in file.source:
        return Unset.NEVER  # requests are made here
    if call.target == "vllm.AsyncEngineArgs" and context.mentions is not None:
        found = held(file, call)
        if (found is None or found.escapes) and context.mentions.matches(_SERVER, *_SERVER_WORDS):
            return Unset.SOMETIMES
    return Unset.NEVER


def _asked(use: ast.Attribute, module: Module) -> Unset | None:
    """What a request says of its parameters; None where its function hands on what it is given itself."""
    request = request_of(use, module)
    if request is None:
        return Unset.UNKNOWN  # `partial(llm.generate, ...)`
    given = parameters_of(request)
    if given is None:
        return Unset.SOMETIMES
    if isinstance(given, ast.Starred) or (isinstance(given, ast.Name) and is_parameter(given, module)):
        return None
    return _may_be_none(given, module)


def request_of(use: ast.Attribute, module: Module) -> ast.Call | None:
    """The call of a method, `.remote(...)` of an actor's method included."""
    above = next(module.around(use), None)
    if isinstance(above, ast.Attribute) and above.attr == "remote":
        use, above = above, next(module.around(above), None)
    return above if isinstance(above, ast.Call) and above.func is use else None


def parameters_of(request: ast.Call) -> ast.expr | None:
    """The expression for the sampling parameters, a star where they may be in it; None without them."""
    named = next((k.value for k in request.keywords if k.arg == "sampling_params"), None)
    if named is not None:
        return None if _is_none(named) else named
    star = next((a for a in request.args[:2] if isinstance(a, ast.Starred)), None)
    if star is not None:
        return star
    if len(request.args) > 1:
        return None if _is_none(request.args[1]) else request.args[1]
    rest = next((k.value for k in request.keywords if k.arg is None), None)
    return ast.Starred(rest) if rest is not None else None


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def is_parameter(name: ast.Name, module: Module) -> bool:
    """Whether a name is a parameter of the function around it that is not bound again there."""
    scope = module.scope(name)
    if not isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        return False
    every = (*scope.args.posonlyargs, *scope.args.args, *scope.args.kwonlyargs)
    return any(parameter.arg == name.id for parameter in every) and not any(
        isinstance(n, ast.Name) and n.id == name.id and isinstance(n.ctx, ast.Store) for n in ast.walk(scope)
    )


def _may_be_none(given: ast.expr, module: Module) -> Unset:
    if isinstance(given, ast.IfExp):
        return Unset.UNKNOWN if _is_none(given.body) or _is_none(given.orelse) else Unset.NEVER
    if isinstance(given, ast.Call):
        method = given.func.attr if isinstance(given.func, ast.Attribute) else ""
        return Unset.UNKNOWN if method in ("get", "pop") and len(given.args) == 1 else Unset.NEVER
    value = module.value(given) if isinstance(given, ast.Name) else None
    return _may_be_none(value, module) if isinstance(value, (ast.IfExp, ast.Call)) else Unset.NEVER


def _of_callers(use: ast.Attribute, module: Module, file: FileFacts, context: Context) -> Unset:
    """What the callers of a function give it, which hands on its own parameters to `llm.generate`."""
    scope = module.scope(use)
    request = request_of(use, module)
    given = parameters_of(request) if request is not None else None
    if isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef)) and isinstance(given, ast.Name):
        default = _default(scope, given.id)
        if default is None:
            return Unset.NEVER  # it has to be given
        if not _is_none(default):
            return Unset.NEVER
    name = getattr(scope, "name", "")
    if name in REQUESTS:
        return _elsewhere(file, context, default=_out_of_sight(file, context))
    return Unset.UNKNOWN


def _default(function: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> ast.expr | None:
    arguments = function.args
    placed = [*arguments.posonlyargs, *arguments.args]
    first = len(placed) - len(arguments.defaults)
    for index, parameter in enumerate(placed):
        if parameter.arg == name:
            return arguments.defaults[index - first] if index >= first else None
    for parameter, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if parameter.arg == name:
            return default
    return None


def _elsewhere(file: FileFacts, context: Context, default: Unset) -> Unset:
    """What requests to engines look like in the whole project, by their receivers' names.

    Those under a `__main__` guard belong to an engine that is built there. A request without parameters is a
    guess here, and no more than a reason for a note.

    Args:
        file: where the engine is built.
        context: for the other files.
        default: what it is where there is no request.
    """
    others = context.mentions.code(b".generate", file.path) if context.mentions is not None else ()
    seen = [
        _guess(request) for source in (file.source, *(s for _, s in others)) for request in _by_name(source)
    ]
    return max(seen, default=default)


def _out_of_sight(file: FileFacts, context: Context) -> Unset:
    """What is said of requests that nobody sees: who makes sampling parameters gives them to its engines."""
    made = b"SamplingParams" in file.source or (
        context.mentions is not None and context.mentions.any_of("SamplingParams", "sampling_params")
    )
    return Unset.NEVER if made else Unset.UNKNOWN


def _guess(request: ast.Call) -> Unset:
    """What a request says that may be one of an engine.

    An object of the project's own may have an engine's name, and add parameters itself.
    """
    if parameters_of(request) is not None:
        return Unset.NEVER
    remote = isinstance(request.func, ast.Attribute) and request.func.attr == "remote"
    return Unset.UNKNOWN if remote or any(k.arg in _TELLING for k in request.keywords) else Unset.NEVER


def _by_name(source: bytes) -> Iterator[ast.Call]:
    """Requests in a file, as far as names tell an engine from a model."""
    if b".generate" not in source and b".chat" not in source:
        return
    try:
        tree = parse_text(source)
    except (SyntaxError, ValueError, RecursionError):
        return
    module = Module(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in REQUESTS:
            request = request_of(node, module)
            if request is None or isinstance(parameters_of(request), ast.Starred):
                continue  # what hands on what it is given is judged by its callers
            if _is_guarded(module.around(node)) or any(k.arg in _OF_A_MODEL for k in request.keywords):
                continue
            remote = isinstance(request.func, ast.Attribute) and request.func.attr == "remote"
            told = any(keyword.arg in _TELLING for keyword in request.keywords)
            if remote or told or _ENGINE.search(_last(node.value)):
                yield request


def _is_guarded(around: Iterable[ast.AST]) -> bool:
    return any(isinstance(above, ast.If) and is_main_guard(above.test) for above in around)


def _last(node: ast.expr) -> str:
    """The last name of a receiver: "llm" of `self.llm`, "engines" of `engines[0]`."""
    if isinstance(node, ast.Subscript):
        return _last(node.value)
    return last_name(node)
