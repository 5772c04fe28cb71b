"""vLLM's V0 engine, forced by replacing what `_sample` returned. Written against 0.8.5."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .backend import WorkerError
from .head import flip_head_dtype, head_dtype
from .ranks import Ranks, RanksSync
from .runners import v0_runner_name
from .shared_memory import release_names
from .sync import WeightSync
from .vllm_engine import PARALLEL, ForcedSequences, VllmBackend, build_llm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .protocol import LoadRequest

ENGINE = "vllm.engine.llm_engine.LLMEngine"


def start(request: LoadRequest) -> V0Engine:
    """Start V0 and hook its sampler.

    Raises:
        WorkerError: "start" where it does not come up, or where something other than V0 came up.
    """
    parallel = _check_parallel(request)
    llm, seconds = build_llm(request)
    engine = type(llm.llm_engine)
    if f"{engine.__module__}.{engine.__qualname__}" != ENGINE:
        raise WorkerError("start", f"asked for V0, but {engine.__module__}.{engine.__qualname__} came up")
    return V0ParallelEngine(llm, seconds) if parallel else V0Engine(llm, seconds)


def _check_parallel(request: LoadRequest) -> bool:
    """Whether V0 is asked to run in several ranks, and can.

    Raises:
        WorkerError: "unsupported" for pipeline parallelism, and for a second engine beside a parallel one.
    """
    import torch

    arguments = {**request.harness_args, **request.engine_args}
    tensor, pipeline = (arguments.get(name) or 1 for name in PARALLEL)
    if pipeline > 1:
        raise WorkerError(
            "unsupported",
            f"pipeline_parallel_size={pipeline}: V0 has pipelines in its asynchronous engine only,"
            " where decoding can't be forced",
        )
    group = torch.distributed
    if group.is_initialized() and max(tensor, group.get_world_size()) > 1:
        raise WorkerError("unsupported", "V0 can't have a parallel engine beside another one in one process")
    if tensor > 1:
        _mend_collectives()
    return bool(tensor > 1)


def _mend_collectives() -> None:
    """On CPU, let ranks speak through torch's gloo where the build lacks vLLM's own shared memory.

    The CPU communicator of 0.8.5 takes it for granted on x86, but builds without AVX-512 don't have it.
    Elsewhere it uses torch itself, as here. The ranks are forked from this process and inherit it.
    """
    import torch
    import vllm._custom_ops  # noqa: F401 - loads the build's operators
    from vllm.platforms import current_platform

    if not current_platform.is_cpu() or hasattr(torch.ops._C, "init_shm_manager"):  # noqa: SLF001 - as vLLM asks
        return
    from vllm.distributed.device_communicators import cpu_communicator

    cpu_communicator._CPUSHMDistributed = lambda _: torch.distributed  # noqa: SLF001 - there is no other place


class V0Engine(VllmBackend):
    """V0: reports processed logprobs, always."""

    def __init__(self, llm: Any, seconds: float) -> None:
        super().__init__(llm, seconds)
        self._model_runner = llm.llm_engine.model_executor.driver_worker.worker.model_runner
        _hook_sampler(self.forced)
        self.watch.follow(self.engine.scheduler[0], _measure)

    def runner(self) -> str:
        """Asserted from the model runner's module."""
        return v0_runner_name(self._model_runner)

    def settings(self) -> dict[str, Any]:
        """Effective settings."""
        model = self._model_runner.model
        scheduler = self.engine.scheduler[0].scheduler_config
        return {
            **self.common_settings(),
            "logprobs_mode": "processed_logprobs",
            "enable_prefix_caching": bool(self.config.cache_config.enable_prefix_caching),
            "enable_chunked_prefill": bool(scheduler.chunked_prefill_enabled),
            "async_scheduling": False,
            "head_dtype": head_dtype(model, self.config.model_config.dtype),
        }

    def weight_sync(self) -> WeightSync:
        """Weight updates in this engine."""
        return WeightSync(self, self._model_runner, None)

    @contextmanager
    def admission(self, max_num_seqs: int) -> Iterator[None]:
        """The scheduler reads its limit at every step."""
        limits = self.engine.scheduler[0].scheduler_config
        before = limits.max_num_seqs
        if max_num_seqs:
            limits.max_num_seqs = min(before, max_num_seqs)
        try:
            yield
        finally:
            limits.max_num_seqs = before

    def flip(self, setting: str, value: Any) -> dict[str, Any]:
        """The head's precision; the other settings this tool flips do not exist in V0."""
        if setting == "head_dtype":
            return self._flip_head(str(value))
        if setting == "logprobs_mode":
            return {
                "live": False,
                "was": "processed_logprobs",
                "why": "V0 has no logprobs_mode: it always reports processed logprobs",
            }
        return super().flip(setting, value)

    def _flip_head(self, wanted: str) -> dict[str, Any]:
        return flip_head_dtype(self._model_runner.model, self.config.model_config.dtype, wanted)


class V0ParallelEngine(V0Engine):
    """V0 of several ranks. The first is in this process, and it alone samples."""

    def __init__(self, llm: Any, seconds: float) -> None:
        super().__init__(llm, seconds)
        self._ranks = Ranks(llm)
        release_names()

    def settings(self) -> dict[str, Any]:
        """Effective settings, with the sizes that the ranks were started with."""
        return {**super().settings(), **self.parallel_sizes()}

    def weight_sync(self) -> WeightSync:
        """Weight updates in every rank."""
        return RanksSync(self, self._ranks, None)

    def _flip_head(self, wanted: str) -> dict[str, Any]:
        return dict(self._ranks.agreed("flip_head", wanted))


def _measure(scheduled: Any) -> tuple[int, int]:
    """Rows and tokens of what V0's scheduler returned: (groups' metadata, outputs, ...)."""
    groups, outputs = scheduled[0], scheduled[1]
    return len(groups), int(outputs.num_batched_tokens)


def _hook_sampler(forced: ForcedSequences) -> None:
    """Wrap `_sample` to replace the ids, and `Sampler.forward` to read the unprocessed logits."""
    from vllm.model_executor.layers import sampler as module

    sample = module._sample  # noqa: SLF001 - V0 has no public place between sampling and reporting
    forward = module.Sampler.forward

    def forced_sample(probs: Any, logprobs: Any, metadata: Any, *args: Any, **kwargs: Any) -> Any:
        results, tensor = sample(probs, logprobs, metadata, *args, **kwargs)
        if not forced:
            return results, tensor
        results = [(list(ids), list(parents)) for ids, parents in results]
        for position, (_, token, _, row) in _forced_groups(metadata, forced):
            results[position][0][0] = token
            if tensor is not None:
                tensor[row] = token
        return results, tensor

    def tapped_forward(self: Any, logits: Any, sampling_metadata: Any) -> Any:
        if forced and logits is not None:
            import torch

            found = [entry for _, entry in _forced_groups(sampling_metadata, forced)]
            if found:
                rows = torch.tensor([row for *_, row in found], device=logits.device)
                tokens = torch.tensor([token for _, token, _, _ in found], device=logits.device)
                raw = logits[rows].log_softmax(dim=-1, dtype=torch.float32).gather(1, tokens.unsqueeze(1))
                for (key, _, step, _), value in zip(found, raw.squeeze(1).tolist(), strict=True):
                    forced.tap(key, step, value)
        return forward(self, logits, sampling_metadata)

    module._sample = forced_sample  # noqa: SLF001 - as above
    module.Sampler.forward = tapped_forward


def _forced_groups(metadata: Any, forced: ForcedSequences) -> Iterator[tuple[int, tuple[int, int, int, int]]]:
    """Sequence groups that are being forced: position, and (key, token, step, row of the logits)."""
    for position, group in enumerate(metadata.seq_groups):
        if not group.do_sample:
            continue
        step = len(group.seq_data[group.seq_ids[0]].output_token_ids)
        entry = forced.token(group.sampling_params, step)
        if entry is not None:
            yield position, (*entry, step, int(group.sample_indices[0]))
