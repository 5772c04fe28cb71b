"""Calls that build an engine, and what is known of the use it is put to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.files.located import Certainty

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Call
    from vllm_migrate.files.use import Use

ENGINE_CALLS = frozenset({"vllm.LLM", "vllm.EngineArgs", "vllm.AsyncEngineArgs"})


def engine_calls(file: FileFacts) -> Iterator[Call]:
    """Calls that take engine arguments, in code that may run."""
    return (
        call
        for call in file.calls
        if call.target in ENGINE_CALLS and not call.dead and call.certainty is not Certainty.GUESS
    )


def is_rl(use: Use) -> bool:
    """Whether the project trains on what it generates, or changes the weights of a running engine."""
    return use.trains or use.syncs_weights


def answers_requests(call: Call, use: Use) -> bool:
    """Whether an engine serves others: an asynchronous one whose weights nobody changes."""
    return call.target == "vllm.AsyncEngineArgs" and not use.syncs_weights


def built(call: Call) -> str:
    """The class in the call: `LLM`, `EngineArgs` or `AsyncEngineArgs`."""
    return call.target.rpartition(".")[2]
