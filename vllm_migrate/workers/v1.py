"""vLLM's V1 engine, scheduled in this process. Which model runner came up decides how decoding is forced.

The model runs in this process too, or, where the engine is parallel, in one of its own for each rank.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .backend import WorkerError
from .head import flip_head_dtype, head_dtype
from .ranks import Ranks, RanksForcing, RanksSync, SharedForced
from .runners import make_forcing, model_of, v1_runner_name
from .shared_memory import release_names
from .sync import WeightSync
from .v2_runner import wants_v2
from .vllm_engine import VllmBackend, build_llm, refuse_unsupported

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .protocol import LoadRequest
    from .v1_runner import V1Forcing
    from .v2_runner import V2Forcing

ENGINE = "vllm.v1.engine.llm_engine.LLMEngine"


def start(request: LoadRequest) -> V1Engine:
    """Start V1 in this process and hook its model runner.

    Raises:
        WorkerError: "start" where it does not come up, or where something other than V1 came up.
    """
    refuse_unsupported({**request.harness_args, **request.engine_args})
    native = {"enable_trace_replay": True} if wants_v2(request) else {}
    llm, seconds = build_llm(request, **native)
    engine = type(llm.llm_engine)
    if f"{engine.__module__}.{engine.__qualname__}" != ENGINE:
        raise WorkerError("start", f"asked for V1, but {engine.__module__}.{engine.__qualname__} came up")
    executor = getattr(_core_of(llm), "model_executor", None)
    return V1Engine(llm, seconds) if hasattr(executor, "driver_worker") else V1ParallelEngine(llm, seconds)


class V1Engine(VllmBackend):
    """V1, with whichever of its two model runners vLLM chose."""

    _forcing: V1Forcing | V2Forcing | RanksForcing

    def __init__(self, llm: Any, seconds: float) -> None:
        super().__init__(llm, seconds)
        self._core = _core_of(llm)
        self._scheduler = self._core.scheduler
        self._most_batched_tokens = int(self._scheduler.scheduler_config.max_num_batched_tokens)
        self._hook()
        self.watch.follow(self._scheduler, _measure)

    def _hook(self) -> None:
        """Make decoding forcible."""
        self._model_runner = self._core.model_executor.driver_worker.worker.model_runner
        self._forcing = make_forcing(self._model_runner, self.forced)

    def runner(self) -> str:
        """Asserted from the live object's classes."""
        return v1_runner_name(self._model_runner)

    def settings(self) -> dict[str, Any]:
        """Effective settings, the sampler's and the scheduler's own rather than the configuration's."""
        cache = self._scheduler.kv_cache_manager
        return {
            **self.common_settings(),
            "logprobs_mode": self._forcing.logprobs_mode(),
            "enable_prefix_caching": bool(cache.enable_caching),
            "enable_chunked_prefill": bool(self._scheduler.scheduler_config.enable_chunked_prefill),
            "async_scheduling": bool(getattr(self.config.scheduler_config, "async_scheduling", False)),
            "head_dtype": self._head_dtype(),
        }

    def weight_sync(self) -> WeightSync:
        """Weight updates in this engine."""
        return WeightSync(self, self._model_runner, self._core)

    def forcing_params(self, key: int, tokens: list[int]) -> dict[str, Any]:
        """The runner's way of forcing."""
        return self._forcing.params(key, tokens)

    @contextmanager
    def admission(self, max_num_seqs: int) -> Iterator[None]:
        """Lower the scheduler's admission limit; newer releases admit by `max_num_active_reqs`."""
        names = [n for n in ("max_num_running_reqs", "max_num_active_reqs") if hasattr(self._scheduler, n)]
        before = {name: getattr(self._scheduler, name) for name in names}
        if max_num_seqs:
            for name in names:
                setattr(self._scheduler, name, min(before[name], max_num_seqs))
        try:
            yield
        finally:
            for name, value in before.items():
                setattr(self._scheduler, name, value)

    @contextmanager
    def seeded_sampling(self, params: list[Any], longest: int) -> Iterator[None]:
        """On CPU, keep the prefill of a seeded request in one piece.

        vLLM rewinds the request's generator after a cut prefill with `set_offset`, which CPU generators lack:
        the step fails and the engine is lost. Without chunked prefill a prompt waits for a step that holds
        all of it.
        """
        limits = self._scheduler.scheduler_config
        seeded = any(entry.seed is not None for entry in params)
        if not seeded or self.config.device_config.device_type != "cpu":
            yield
            return
        if longest > limits.max_num_batched_tokens:
            raise WorkerError(
                "unsupported",
                f"a prompt of {longest} tokens is longer than max_num_batched_tokens="
                f"{limits.max_num_batched_tokens}; vLLM can't sample it with a seed on CPU",
            )
        before = limits.enable_chunked_prefill
        limits.enable_chunked_prefill = False
        try:
            yield
        finally:
            limits.enable_chunked_prefill = before

    def flip(self, setting: str, value: Any) -> dict[str, Any]:
        """Settings known to act in a live engine exactly as in one started with them."""
        if setting == "logprobs_mode":
            return self._forcing.flip_logprobs_mode(str(value))
        if setting == "enable_prefix_caching":
            return self._flip_prefix_caching(on=bool(value))
        if setting == "head_dtype":
            return self._flip_head(str(value))
        if setting == "max_num_batched_tokens":
            return self._flip_batched_tokens(int(value))
        return super().flip(setting, value)

    def _flip_prefix_caching(self, *, on: bool) -> dict[str, Any]:
        """Off and back on. On where the engine was started without it: its block hashes don't exist."""
        manager = self._scheduler.kv_cache_manager
        was = bool(manager.enable_caching)
        if on and not self.config.cache_config.enable_prefix_caching:
            return {"live": False, "was": was, "why": "the engine was started without prefix caching"}
        manager.enable_caching = on
        return {"live": True, "was": was, "why": ""}

    def _flip_batched_tokens(self, limit: int) -> dict[str, Any]:
        """Tokens per step, downwards and back: the buffers are made for the value at start."""
        limits = self._scheduler.scheduler_config
        was = int(limits.max_num_batched_tokens)
        if not 0 < limit <= self._most_batched_tokens:
            return {
                "live": False,
                "was": was,
                "why": f"the engine was started with {self._most_batched_tokens}",
            }
        limits.max_num_batched_tokens = limit
        if hasattr(self._scheduler, "max_num_scheduled_tokens"):
            self._scheduler.max_num_scheduled_tokens = limit
        return {"live": True, "was": was, "why": ""}

    def _flip_head(self, wanted: str) -> dict[str, Any]:
        return flip_head_dtype(model_of(self._model_runner), self.config.model_config.dtype, wanted)

    def _head_dtype(self) -> str:
        return head_dtype(model_of(self._model_runner), self.config.model_config.dtype)


class V1ParallelEngine(V1Engine):
    """V1 whose ranks have processes of their own: tensor and pipeline parallel.

    The scheduler's settings are changed here, as in an engine of one process; the others in every rank.
    """

    def _hook(self) -> None:
        self._ranks = Ranks(self.llm)
        self.forced = SharedForced(self._ranks)
        self._forcing = self._in_ranks = RanksForcing(self._ranks)
        release_names()

    def runner(self) -> str:
        """As the ranks have it."""
        return self._in_ranks.runner

    def settings(self) -> dict[str, Any]:
        """Effective settings, with the sizes that the ranks were started with."""
        return {**super().settings(), **self.parallel_sizes()}

    def weight_sync(self) -> WeightSync:
        """Weight updates in every rank."""
        return RanksSync(self, self._ranks, self._core)

    def _flip_head(self, wanted: str) -> dict[str, Any]:
        return dict(self._ranks.agreed("flip_head", wanted))

    def _head_dtype(self) -> str:
        return str(self._ranks.call("head")[-1])  # of the last stage, which has the head


def _core_of(llm: Any) -> Any:
    core = getattr(llm.llm_engine.engine_core, "engine_core", None)
    if core is None:
        raise WorkerError("start", "the V1 engine core runs in another process, where it can't be replayed")
    return core


def _measure(scheduled: Any) -> tuple[int, int]:
    """Rows and tokens of a `SchedulerOutput`."""
    return len(scheduled.num_scheduled_tokens), int(scheduled.total_num_scheduled_tokens)
