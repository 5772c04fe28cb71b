"""What to write where a walk into the engine doesn't reach: the replacement with the names of the code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.rules.finding import one_line
from vllm_migrate.rules.weight_sync.executor_calls import BY_NAME, instead_of_call

if TYPE_CHECKING:
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Chain

_STAYS = (
    "; with VLLM_ENABLE_V1_MULTIPROCESSING=0 or external_launcher the engine stays in this process and the "
    "walk works as it is"
)
_SOME_STAY = (
    "; a synchronous engine stays in this process with VLLM_ENABLE_V1_MULTIPROCESSING=0 or "
    "external_launcher, and the walk then works as it is; an asynchronous one never does"
)
_ON_ONE = (
    "; a function that is sent needs VLLM_ALLOW_INSECURE_SERIALIZATION=1, and the walk reaches no worker of "
    "an engine on several GPUs, but with external_launcher"
)
_ELSEWHERE = (
    "; with VLLM_ENABLE_V1_MULTIPROCESSING=0 or external_launcher the engine stays in this process, and the "
    "walk works as {}"
)
_UNKNOWN = "the_engine"
_OF_THE_DRIVER = frozenset({"is_driver_worker", "parallel_worker_tasks", "uses_ray"})
"""What tells V0's driver from its other workers: nothing on V1, where no worker lives beside the engine."""
_WORKERS = frozenset({"driver_worker", "worker", "workers"})
_GENERATORS = frozenset(
    {"named_parameters", "parameters", "named_buffers", "buffers", "named_modules", "modules"}
)
"""Methods of a model that give its own tensors and modules one after the other."""
_SINGLE = frozenset({"get_parameter", "get_buffer", "get_submodule"})
"""Methods that give one of them."""
_ASKED = re.compile(rb"\bgetattr\(\s*$")
_TESTED = re.compile(rb"\bisinstance\(\s*$")
_ASSIGNED = re.compile(rb"[ \t]*=(?!=)")
_NAMED = re.compile(rb"\s*,\s*[\"'](\w+)[\"']")


def advice(file: FileFacts, chain: Chain, *, spread: bool = False) -> str:
    """What takes the place of a walk, by where it ends.

    A call on the model, or something of the model's, is done by a function of the model; the executor's
    `collective_rpc` is the engine's; what belongs to a worker is done by a method of a worker extension;
    a configuration is the engine's own; a method of the executor's becomes one of the engine's or of a
    worker extension; and what only V0's driver had is left out, as is what is deleted.

    That the walk works in one process is said of engines that can be there: an asynchronous one never is, nor
    the workers of one that is spread over several GPUs.
    """
    attributes = chain.attributes
    engine, is_async = _engine(chain)
    awaited = "await " if is_async else ""
    stays = "" if is_async else _SOME_STAY if engine == _UNKNOWN else _STAYS
    if stays and spread:
        stays = _ON_ONE
    elif stays and past_executor(chain):
        stays = _ELSEWHERE.format(".".join((chain.root, attributes[0], "model_executor", *attributes[1:])))
    call = chain.method_calls[0] if chain.method_calls else None
    called = f".{call.method}({one_line(file.text(call.arguments_span), 80)})" if call else ""
    if "collective_rpc" in (attributes[-1], call.method if call else ""):
        written = called or ".collective_rpc"
        return f"{awaited}{engine}{written}" + (
            "" if is_async else ", awaited where the engine is asynchronous"
        )
    if file.source[chain.statement.start : chain.statement.end].startswith(b"del "):
        return (
            "leave it out of the del: V1's engine has no such attribute, and ends its processes when it is "
            "itself deleted"
        )
    configuration = next((index for index, name in enumerate(attributes) if name.endswith("_config")), None)
    if configuration is not None and "driver_worker" not in attributes and "model_runner" not in attributes:
        path = ".".join((_outer(chain), "vllm_config", *attributes[configuration:])) + called
        return f"{path}: V1's engine keeps the configurations"
    if "model_runner" in attributes:
        return _of_the_worker(file, chain, engine, called, is_async=is_async) + stays
    last = attributes[-1] if call else _asked_for(file, chain) or attributes[-1]
    if last == "model_executor" and not call:
        return _of_the_executor(file, chain, engine, awaited) + stays
    if last == "workers" or (last in _WORKERS and not call):
        return (
            f'{awaited}{engine}.collective_rpc("method", args=(...)) of a worker_extension_cls, whose '
            f"self is the worker{stays}"
        )
    if call is not None:
        return instead_of_call(engine, awaited, call.method, file.text(call.arguments_span).strip())
    if last in BY_NAME:
        return f"{engine}.collective_rpc in its place, awaited where the engine is asynchronous"
    if last in _OF_THE_DRIVER or chain.patched:
        return f"leave it out: V1's executor has no {last} to reach from here"
    return (
        f"V1's executor isn't here to have {last}: what needs the value gets it from the workers, by "
        f'{awaited}{engine}.collective_rpc("method") of a worker_extension_cls, or takes it on this side of '
        "the engine"
    )


def _engine(chain: Chain) -> tuple[str, bool]:
    """The expression that holds the engine, and whether it is an asynchronous one.

    A walk that starts at an attribute of an object that nothing shows to be an engine says of the engine
    only that there is one.
    """
    root = " ".join(chain.root.split())
    known_async = is_never_here(chain) or chain.attributes[0] == "engine"
    if not chain.owner and root in ("self", "cls") and chain.attributes[0] == "llm_engine":
        return f"{root}.llm_engine", False
    if chain.owner or chain.attributes[0] in ("llm_engine", "model_executor", "engine"):
        return root, known_async
    return _UNKNOWN, False


def past_executor(chain: Chain) -> bool:
    """Whether a walk goes from the engine to its worker directly, as V0's first releases had it.

    V1's engine has none of these attributes, wherever it lives: only its executor has a `driver_worker`.
    """
    return chain.attributes[0] == "llm_engine" and chain.attributes[1:2] in (("driver_worker",), ("workers",))


def is_never_here(chain: Chain) -> bool:
    """Whether the engine is an asynchronous one, which runs in a process of its own whatever is set.

    A walk that starts at `model_executor` is one into a synchronous engine, also where the code builds either
    kind: V0's AsyncLLMEngine (0.8.5) has its executor behind `engine`.
    """
    return chain.owner == "vllm.AsyncLLMEngine" and chain.attributes[0] != "model_executor"


def _outer(chain: Chain) -> str:
    """The expression of the engine that has `vllm_config`: of an `LLM` it is its `llm_engine`."""
    root = " ".join(chain.root.split())
    return f"{root}.llm_engine" if chain.attributes[0] == "llm_engine" else root


def _asked_for(file: FileFacts, chain: Chain) -> str:
    """The name that `getattr(walk, "name")` asks for, else ""."""
    if not _ASKED.search(file.source, max(0, chain.span.start - 20), chain.span.start):
        return ""
    named = _NAMED.match(file.source, chain.span.end)
    return named.group(1).decode() if named else ""


def _of_the_executor(file: FileFacts, chain: Chain, engine: str, awaited: str) -> str:
    """For a walk that ends at the executor, which is handed on or whose class is asked for."""
    if _TESTED.search(file.source, max(0, chain.span.start - 20), chain.span.start):
        return (
            "leave the question for its class out: V1's executor lives with its engine, and the class that "
            "distributed_executor_backend names is the one that is made"
        )
    return (
        f"hand {engine} on in its place: {awaited}{engine}.collective_rpc(...) is what V1 offers of it, and "
        "what reads the executor's attributes there has to call methods of a worker_extension_cls by it"
    )


def _of_the_worker(file: FileFacts, chain: Chain, engine: str, called: str, *, is_async: bool) -> str:
    """For a walk to the model runner, its model, or something of the two."""
    attributes = chain.attributes
    at = attributes.index("model_runner")
    inside = ".".join(("self", *attributes[at:])) + called
    extension = f"a method of a worker_extension_cls that uses {inside}"
    if is_async:
        return f'await {engine}.collective_rpc("method") of {extension}'
    if attributes[at + 1 : at + 2] != ("model",):
        return f'{engine}.collective_rpc("method") of {extension}'
    path = "".join(f".{name}" for name in attributes[at + 2 :])
    call = chain.method_calls[0] if chain.method_calls else None
    opened = next((one.opened for one in chain.method_calls if one.opened), "")
    if opened:
        used = f"; the other uses of {chain.bound_to} belong there too" if chain.escapes else ""
        return (
            f"{extension}, and opens itself what is {opened} here: that can't be sent to the engine's "
            f'process, so hand its path to {engine}.collective_rpc("method", args=(...)){used}'
        )
    if call is not None and call.method in _GENERATORS:
        return (
            f"{engine}.apply_model(function), or {extension}, with all that is done with them inside: a "
            "generator can't be sent back, and what is changed in a copy doesn't change the model"
        )
    if call is not None and call.method in _SINGLE:
        return (
            f"{engine}.apply_model(function), or {extension}, with all that is done with it inside: what "
            "comes back is a copy, and what is changed in that doesn't change the model"
        )
    if _ASSIGNED.match(file.source, chain.span.end) and not called:
        return (
            f"{engine}.apply_model(function), or a method of a worker_extension_cls, that sets {inside} "
            "itself (model in place of self.model_runner.model in the function)"
        )
    if path or called:
        return f"{engine}.apply_model(lambda model: model{path}{called}), or {extension}"
    where = f" where {chain.bound_to} is used" if chain.bound_to else " where the model is used"
    return f"{engine}.apply_model(lambda model: ...){where}, or {extension}"
