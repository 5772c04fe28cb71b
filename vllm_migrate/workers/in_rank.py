"""What is done inside the processes of a parallel engine, one function a task, called through `ranks`.

Every rank that has logits samples for itself, from the same seeds, and computes on from its own token: so
decoding is forced in each of them. Only ranks of the last pipeline stage have logits. What a function returns
travels back as a pickle of vLLM's own executor: plain values only.
"""

from __future__ import annotations

import inspect
from dataclasses import asdict
from typing import Any

from .head import flip_head_dtype, head_dtype
from .runners import make_forcing, model_of, v1_runner_name
from .vllm_engine import ForcedSequences
from .weights import checksums, load_in_place, tensors_of

_KEPT = "_vllm_migrate_forcing"


def install(worker: Any) -> dict[str, Any]:
    """Hook the sampler of this rank, where it has one.

    Returns:
        `runner`, by name; `samples`, whether this rank has logits.
    """
    from vllm.distributed.parallel_state import get_pp_group

    model_runner = worker.model_runner
    stage = get_pp_group()
    if not stage.is_first_rank:
        _make_room(model_runner)
    if stage.is_last_rank:
        forced = ForcedSequences()
        vars(model_runner)[_KEPT] = (forced, make_forcing(model_runner, forced))
    return {"runner": v1_runner_name(model_runner), "samples": bool(stage.is_last_rank)}


def begin(worker: Any, completions: list[list[int]]) -> None:
    """Force these from now on."""
    for forced, _ in _installed(worker):
        forced.begin(completions)


def end(worker: Any) -> None:
    """Sample freely again."""
    for forced, _ in _installed(worker):
        forced.end()


def tapped(worker: Any) -> dict[int, dict[int, float]]:
    """Raw logprobs so far, by sequence and step; empty where this rank has no logits."""
    return next((forced.tapped() for forced, _ in _installed(worker)), {})


def logprobs_mode(worker: Any) -> str:
    """The mode the sampler works in; "" where this rank has none."""
    return next((forcing.logprobs_mode() for _, forcing in _installed(worker)), "")


def flip_logprobs_mode(worker: Any, mode: str) -> dict[str, Any]:
    """As `V1Forcing.flip_logprobs_mode`; empty where this rank has no sampler."""
    return next((forcing.flip_logprobs_mode(mode) for _, forcing in _installed(worker)), {})


def head(worker: Any) -> str:
    """The dtype of the last projection."""
    return head_dtype(model_of(worker.model_runner), worker.model_runner.model_config.dtype)


def flip_head(worker: Any, wanted: str) -> dict[str, Any]:
    """Compute the last projection in `wanted`; empty where this rank's stage has none."""
    from vllm.distributed.parallel_state import get_pp_group

    if not get_pp_group().is_last_rank:
        return {}
    model_runner = worker.model_runner
    return flip_head_dtype(model_of(model_runner), model_runner.model_config.dtype, wanted)


def digests(worker: Any) -> dict[str, Any]:
    """`Checksums` of this rank's share of the weights."""
    return asdict(checksums(model_of(worker.model_runner)))


def reload_parameters(worker: Any) -> list[str] | None:
    """Names of what the runner's `reload_weights` takes; None where it has no such method."""
    reload = getattr(worker.model_runner, "reload_weights", None)
    return None if reload is None else list(inspect.signature(reload).parameters)


def point_to(worker: Any, path: str) -> None:
    """Let a `reload_weights` that takes no path read from this one."""
    worker.model_runner.model_config.model = path


def reload_tensors(worker: Any, path: str) -> None:
    """`reload_weights` with tensors: they are read in this rank, an iterator can't be sent."""
    worker.model_runner.reload_weights(weights_iterator=tensors_of(path))


def write_in_place(worker: Any, path: str) -> str:
    """`load_weights` into the running model; says why not, where that can't be done."""
    return load_in_place(model_of(worker.model_runner), path)


def _installed(worker: Any) -> list[tuple[ForcedSequences, Any]]:
    kept = vars(worker.model_runner).get(_KEPT)
    return [] if kept is None else [kept]


def _make_room(model_runner: Any) -> None:
    """The buffer for what the stage before hands over.

    vLLM makes it in its warm-up, which the CPU build of 0.32.0 leaves out where eager mode and an explicit
    cache size need none: the first step then fails on an assertion. Made here as it is made there.
    """
    if getattr(model_runner, "intermediate_tensors", False) is None:
        model_runner.intermediate_tensors = model_runner.model.make_empty_intermediate_tensors(
            batch_size=model_runner.max_num_tokens,
            dtype=model_runner.model_config.dtype,
            device=model_runner.device,
        )
