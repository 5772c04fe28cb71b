"""Whether an engine's seed decides anything: not where each request has its own, or is decoded greedily."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.resolve.syntax import last_name
from vllm_migrate.rules.module import parsed_module
from vllm_migrate.rules.silent.held import held, is_confined
from vllm_migrate.rules.silent.unset_parameters import REQUESTS, is_parameter, parameters_of, request_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Call
    from vllm_migrate.rules.base import Context
    from vllm_migrate.rules.silent.held import Held


def needs_no_seed(file: FileFacts, call: Call, context: Context) -> bool:
    """Whether all requests to the engine that a call builds are in sight, and none draws from its seed.

    vLLM draws a request with a seed from a generator of its own, and takes the likeliest token at temperature
    0; see vllm/v1/sample/sampler.py and vllm/v1/worker/gpu_input_batch.py.
    """
    return _all_are(_is_fixed, file, call, context)


def draws_nothing(file: FileFacts, call: Call, context: Context) -> bool:
    """Whether all requests to the engine that a call builds are in sight and decoded greedily."""
    return _all_are(_is_greedy, file, call, context)


def _all_are(fixed: Callable[[Call], bool], file: FileFacts, call: Call, context: Context) -> bool:
    params = {c.span: c for c in file.calls if c.target == "vllm.SamplingParams"}
    if not params or call.target != "vllm.LLM":
        return False
    found = held(file, call)
    if found is None or not is_confined(found, file, context):
        return False
    requests = [use for use in found.uses if use.attr in REQUESTS]
    if not requests:
        return False
    _, text = parsed_module(file.path, file.source)
    made = [_made(use, found) for use in requests]
    if all(
        node is not None and (given := params.get(text.span(node))) is not None and fixed(given)
        for node in made
    ):
        return True
    return all(map(fixed, params.values())) and _are_all(found, requests, file, context)


def _are_all(found: Held, requests: list[ast.Attribute], file: FileFacts, context: Context) -> bool:
    """Whether what this file makes is all that requests can be given, which take it as a parameter."""
    if context.mentions is None or any(True for _ in context.mentions.code(b"SamplingParams", file.path)):
        return False
    for use in requests:
        request = request_of(use, found.module)
        given = parameters_of(request) if request is not None else None
        if not (isinstance(given, ast.Name) and is_parameter(given, found.module)):
            return False
    return True


def _made(use: ast.Attribute, found: Held) -> ast.Call | None:
    """The call that makes the parameters of a request, in the same function or kept by the object."""
    request = request_of(use, found.module)
    given = parameters_of(request) if request is not None else None
    if isinstance(given, ast.Name):
        given = found.module.value(given)
    if isinstance(given, ast.Attribute) and last_name(given.value) == "self":
        given = _kept(given, found)
    return given if isinstance(given, ast.Call) else None


def _kept(given: ast.Attribute, found: Held) -> ast.expr | None:
    """What a class assigns to an attribute of its objects, if it does so once."""
    owner = next((above for above in found.module.around(given) if isinstance(above, ast.ClassDef)), None)
    stored = [
        node
        for node in (ast.walk(owner) if owner is not None else ())
        if isinstance(node, ast.Attribute)
        and node.attr == given.attr
        and last_name(node.value) == "self"
        and not (isinstance(node.ctx, ast.Load) and isinstance(found.parent(node), (ast.Call, ast.keyword)))
    ]
    above = found.parent(stored[0]) if len(stored) == 1 else None
    return above.value if isinstance(above, ast.Assign) else None


def _is_fixed(params: Call) -> bool:
    seed = params.argument("seed")
    return (seed is not None and seed.value.literal is not None) or _is_greedy(params)


def _is_greedy(params: Call) -> bool:
    temperature = params.argument("temperature")
    literal = temperature.value.literal if temperature is not None else None
    return isinstance(literal, (int, float)) and literal == 0
