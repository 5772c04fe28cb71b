"""What to write where a walk into the engine doesn't reach: the replacement with the names of the code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.rules.finding import one_line

if TYPE_CHECKING:
    from vllm_migrate.files.located import Chain, FileFacts

_STAYS = (
    "; with VLLM_ENABLE_V1_MULTIPROCESSING=0 or external_launcher the engine stays in this process and the "
    "walk works as it is"
)


def advice(file: FileFacts, chain: Chain) -> str:
    """What takes the place of a walk, by where it ends.

    A call on the model, or something of the model's, is done by a function of the model; the executor's
    `collective_rpc` is the engine's; what belongs to a worker is done by a method of a worker extension;
    a configuration is the engine's own; and what only V0's executor had is left out, as is what is deleted.
    """
    attributes = chain.attributes
    engine, is_async = _engine(chain)
    awaited = "await " if is_async else ""
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
        return _of_the_worker(chain, engine, called, is_async=is_async) + _STAYS
    if attributes[-1] == "model_executor" and not call:
        return (
            f"hand {engine} on in its place: {awaited}{engine}.collective_rpc(...) is what V1 offers of it"
            f"{_STAYS}"
        )
    if attributes[-1] in ("driver_worker", "worker"):
        return (
            f'{awaited}{engine}.collective_rpc("method", args=(...)) of a worker_extension_cls, whose '
            f"self is the worker{_STAYS}"
        )
    return (
        f"leave it out: V1's executor has no {(call.method if call else attributes[-1])} to reach from here"
    )


def _engine(chain: Chain) -> tuple[str, bool]:
    """The expression that holds the engine, and whether it is an asynchronous one."""
    root = " ".join(chain.root.split())
    if chain.attributes[0] in ("llm_engine", "model_executor"):
        return root, False
    return root, chain.attributes[0] == "engine"


def _outer(chain: Chain) -> str:
    """The expression of the engine that has `vllm_config`: of an `LLM` it is its `llm_engine`."""
    root = " ".join(chain.root.split())
    return f"{root}.llm_engine" if chain.attributes[0] == "llm_engine" else root


def _of_the_worker(chain: Chain, engine: str, called: str, *, is_async: bool) -> str:
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
    if path or called:
        return f"{engine}.apply_model(lambda model: model{path}{called}), or {extension}"
    where = f" where {chain.bound_to} is used" if chain.bound_to else " where the model is used"
    return f"{engine}.apply_model(lambda model: ...){where}, or {extension}"
