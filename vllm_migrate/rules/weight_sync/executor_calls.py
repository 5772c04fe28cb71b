"""What takes the place of a method of V0's executor, called from beside the engine."""

from __future__ import annotations

import ast
import re

from vllm_migrate.rules.finding import one_line

_OF_THE_ENGINE = frozenset(
    {"add_lora", "apply_model", "list_loras", "pin_lora", "remove_lora", "sleep", "start_profile"}
    | {"stop_profile", "wake_up"}
)
"""Methods that V0's executor had (0.8.5, `ExecutorBase`) and the target's engines have themselves."""
_DONE_WITHOUT = frozenset(
    {
        "check_health",
        "determine_num_available_blocks",
        "initialize_cache",
        "shutdown",
    }
)
"""Methods of V0's executor whose work the engine's core does at its start, in each step or at its end."""
_STEPS = frozenset({"execute_model", "execute_model_async"})
BY_NAME = frozenset({"_run_workers", "execute_method", "run_method"})
"""Methods that call a method of the workers by the name that comes first."""
_BEYOND_DATA = re.compile(r"(?i)dtype|ipc|handle|stream|tensor")
"""Names of arguments that are no plain data."""
_OF_MEMORY = re.compile(r"kv_cache|offload|free_|release|memory")


def instead_of_call(engine: str, awaited: str, method: str, arguments: str) -> str:
    """The advice for `engine...model_executor.method(arguments)`.

    Args:
        engine: the expression that holds the engine.
        awaited: "await " for an asynchronous engine, else "".
        method: what is called on the executor or on one of its workers.
        arguments: the source between the parentheses.
    """
    if method in _OF_THE_ENGINE:
        return f"{awaited}{engine}.{method}({one_line(arguments, 80)}): V1's engine has it itself"
    if method in _DONE_WITHOUT:
        return f"leave it out: V1's engine does itself what {method} was for"
    if method in _STEPS:
        return (
            "drop the step that calls it: V1's engine schedules, executes and samples in its core, and "
            "step() of the target's LLMEngine gives the outputs"
        )
    if method in BY_NAME:
        return (
            f"{awaited}{engine}.{_by_name(arguments)} of a method of a worker_extension_cls, which runs on "
            f"all workers{_not_plain(arguments)}"
        )
    said = (
        f"{awaited}{engine}.{_remote(method, arguments)} of a worker_extension_cls with a method {method}, "
        f"which does in every worker what the executor's does{_not_plain(arguments)}"
    )
    if _OF_MEMORY.search(method):
        return (
            f"{awaited}{engine}.sleep(level=1 or 2) gives weights and KV cache back and wake_up() takes them "
            f"again, with enable_sleep_mode=True; anything else is {said}"
        )
    return said


def _not_plain(arguments: str) -> str:
    """What to heed where arguments have the names of what V1 can't send."""
    if not _BEYOND_DATA.search(arguments):
        return ""
    return (
        "; what is sent has to be plain data: a dtype goes by its name, streams and tensors are made in the "
        "worker, and handles of CUDA IPC need VLLM_ALLOW_INSECURE_SERIALIZATION=1"
    )


def _remote(method: str, arguments: str) -> str:
    """`collective_rpc` with the arguments of a call; without them where they are of another form."""
    return _rpc(f'"{method}"', *_split(arguments))


def _by_name(arguments: str) -> str:
    """`collective_rpc` for a call whose first argument names the workers' method."""
    positional, keywords = _split(arguments)
    if not positional:
        return 'collective_rpc("method", args=(...))'
    return _rpc(positional[0], positional[1:], keywords)


def _rpc(method: str, positional: list[str], keywords: list[str]) -> str:
    """`collective_rpc` as source; all three are source, too."""
    given = [method]
    given += [f"args=({', '.join(positional)},)"] if positional else []
    given += [f"kwargs=dict({', '.join(keywords)})"] if keywords else []
    return f"collective_rpc({one_line(', '.join(given), 100)})"


def _split(arguments: str) -> tuple[list[str], list[str]]:
    """The positional arguments and the keywords of a call, as source; none where it doesn't parse."""
    try:
        call = ast.parse(f"f({arguments})", mode="eval").body
    except SyntaxError:
        return [], []
    if not isinstance(call, ast.Call):
        return [], []
    keywords = [
        f"{one.arg}={ast.unparse(one.value)}" if one.arg else f"**{ast.unparse(one.value)}"
        for one in call.keywords
    ]
    return [ast.unparse(one) for one in call.args], keywords
