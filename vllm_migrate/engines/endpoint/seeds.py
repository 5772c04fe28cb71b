"""Whether a running server is sent seeds, and how.

A seed a request makes a run repeatable. But vLLM's CPU engine dies of a seeded request whose prompt is
prefilled in pieces (measured: 0.18.1 and 0.32.0), and a server that others use is not to be brought down. So
seeds are sent where the server's own metrics show that it does not run on a CPU, or where the user says so.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from vllm_migrate.errors import UsageError

if TYPE_CHECKING:
    from vllm_migrate.engines.environment import EngineEnvironment

SENT, CAREFUL, UNSENT = "sent", "one at a time", "not sent"
"""Seeds with many requests at a time; with one request and one completion at a time, so that an audit's own
requests never make a CPU engine cut a prefill; none."""

WANTED = "seeds"
"""Entry of an endpoint's details: what the user said, "" where nothing."""

_INFO = re.compile(r"^vllm:cache_config_info\{([^}]*)\}", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_OF_CPU = "128"
"""Tokens in a block of the CPU engine's cache by default; on GPUs hardly any attention backend has that."""


def with_seeds(engine: EngineEnvironment, *, wanted: bool | None) -> EngineEnvironment:
    """The server with what the user said of seeds; None for nothing.

    Raises:
        UsageError: something was said, and the engine is no server.
    """
    if wanted is None:
        return engine
    if engine.device != "endpoint":
        raise UsageError("--server-seeds goes with --v1-url: engines of this tool's own are always seeded")
    return replace(engine, details={**engine.details, WANTED: "yes" if wanted else "no"})


def how_to_seed(wanted: str, *, on_gpu: bool) -> str:
    """What is done: `SENT`, `CAREFUL` or `UNSENT`.

    Args:
        wanted: "yes", "no", or "" where the user said nothing.
        on_gpu: whether the server is shown not to run on a CPU.
    """
    if wanted == "no" or not (wanted or on_gpu):
        return UNSENT
    return SENT if on_gpu else CAREFUL


def shown_on_gpu(metrics: str) -> bool:
    """Whether vLLM's metrics rule a CPU out: a block size that was not given and is not the CPU's default.

    Releases that don't tell whether it was given show nothing.
    """
    engines = [dict(_LABEL.findall(found)) for found in _INFO.findall(metrics)]
    return bool(engines) and all(
        labels.get("user_specified_block_size") == "False"
        and labels.get("block_size", "").isdigit()
        and labels["block_size"] != _OF_CPU
        for labels in engines
    )
