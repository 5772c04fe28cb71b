"""Calls a reward function of the user's in a process of its own, and takes nothing it says on trust."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.reward.calling.sandbox import Bounds, Sandbox

if TYPE_CHECKING:
    from vllm_migrate.reward.calling.named_reward import RewardFunction
    from vllm_migrate.reward.calling.texts import Texts

WALL_SECONDS = 120.0
CPU_SECONDS = 120
MEMORY_BYTES = 16 << 30  # address space; frameworks reserve far more of it than they use
FILE_BYTES = 64 << 20
PROCESSES = 1024  # pools that a reward starts are its own affair; what multiplies without end is not


def score(function: RewardFunction, texts: Texts, *, wall_seconds: float = WALL_SECONDS) -> list[float]:
    """Rewards of all completions.

    The function runs under this interpreter in isolated mode, with limits on processor time, memory and file
    size, an environment without secrets, and its output set aside.

    Raises:
        RewardError: it can't be imported, raises, returns the wrong number of values or something that is
        not a finite number, exceeds its limits or does not return in time. Names the function and the text.
    """
    bounds = Bounds(
        start_seconds=wall_seconds,
        cpu_seconds=CPU_SECONDS,
        memory_bytes=MEMORY_BYTES,
        file_bytes=FILE_BYTES,
        processes=PROCESSES,
    )
    sandbox = Sandbox((function,), style="trl", bounds=bounds, home=True)
    return sandbox.ask_strictly(texts, max(1, texts.group), wall_seconds)
