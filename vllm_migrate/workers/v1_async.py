"""vLLM's asynchronous V1 engine, as servers and trainers beside them have it: its core in another process.

Decoding is forced there too: the hooks travel into the core's process by `collective_rpc`, for which vLLM has
to be told to accept functions. Nothing else is reached in that process, so this engine serves the probe of
weight updates under `pause_generation`, and settings of the scheduler can't be changed in it.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import os
import threading
from typing import TYPE_CHECKING, Any

from . import sync_protocol as wire
from .backend import WorkerError
from .ranks import Ranks, RanksForcing, RanksSync, SharedForced
from .shared_memory import release_names
from .sync import Flight, Refused
from .v2_runner import wants_v2
from .vllm_engine import VllmBackend, refuse_unsupported, started

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .backend import Progress
    from .protocol import LoadRequest

_FUNCTIONS = "VLLM_ALLOW_INSECURE_SERIALIZATION"
_CALL_SECONDS = 600.0
"""For anything that is asked of the core: seconds where all is well, and it can hang for ever."""


def start(request: LoadRequest) -> AsyncV1Engine:
    """Start the engine, its core in a process of its own, and hook the samplers there.

    Raises:
        WorkerError: "start" where it does not come up.
    """
    refuse_unsupported({**request.harness_args, **request.engine_args})
    native = {"enable_trace_replay": True} if wants_v2(request) else {}
    arguments = {**native, **request.harness_args, **request.engine_args}
    os.environ[_FUNCTIONS] = "1"  # read when a message is packed and unpacked, in both processes
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.v1.engine.async_llm import AsyncLLM

    loop = _Loop()

    async def build() -> Any:
        return AsyncLLM.from_engine_args(AsyncEngineArgs(model=request.model, **arguments))

    engine, seconds = started(lambda: loop.begin(build()).result())
    return AsyncV1Engine(_Calls(engine, loop), seconds)


class _Loop:
    """An event loop in a thread of its own, which other threads hand coroutines to."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="async-engine", daemon=True).start()

    def begin(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """A future of what the coroutine returns."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """What the coroutine returns."""
        return self.begin(coroutine).result(_CALL_SECONDS)


class _Calls:
    """The asynchronous engine with the methods of `LLM` that are used here."""

    def __init__(self, engine: Any, loop: _Loop) -> None:
        self.llm_engine = engine
        self.loop = loop

    def collective_rpc(
        self, method: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return self.loop.run(self.llm_engine.collective_rpc(method, args=args, kwargs=kwargs))

    def reset_prefix_cache(self) -> Any:
        return self.loop.run(self.llm_engine.reset_prefix_cache())

    def get_tokenizer(self) -> Any:
        found = self.llm_engine.get_tokenizer()
        return self.loop.run(found) if inspect.iscoroutine(found) else found


class AsyncV1Engine(VllmBackend):
    """`AsyncLLM` with decoding forced in every rank of its core."""

    def __init__(self, calls: _Calls, seconds: float) -> None:
        super().__init__(calls, seconds)
        self._loop = calls.loop
        self._ranks = Ranks(calls)
        self.forced = SharedForced(self._ranks)
        self._forcing = RanksForcing(self._ranks)
        self._numbers = itertools.count()
        release_names()

    def runner(self) -> str:
        """As the core's process has it."""
        return self._forcing.runner

    def settings(self) -> dict[str, Any]:
        """Effective settings, as far as they can be told from here."""
        return {
            **self.common_settings(),
            **self.parallel_sizes(),
            "logprobs_mode": self._forcing.logprobs_mode(),
            "enable_prefix_caching": bool(self.config.cache_config.enable_prefix_caching),
            "head_dtype": str(self._ranks.call("head")[-1]),
        }

    def forcing_params(self, key: int, tokens: list[int]) -> dict[str, Any]:
        """The runner's way of forcing."""
        return self._forcing.params(key, tokens)

    def weight_sync(self) -> AsyncSync:
        """Weight updates under the pause modes."""
        return AsyncSync(self, self._ranks)

    def run(
        self,
        prompts: list[list[int]],
        params: list[Any],
        progress: Progress,
        before_step: Callable[[], None] | None = None,
    ) -> list[Any]:
        """Outputs in the order submitted; the steps are the core's, so nothing can be done before one."""
        del before_step
        running = [self.begin(ids, entry) for ids, entry in zip(prompts, params, strict=True)]
        outputs = []
        for request in running:
            outputs.append(request.result())
            progress(len(outputs), len(prompts))
        return outputs

    def begin(self, prompt: list[int], params: Any) -> Running:
        """Submit one request."""
        return Running(self._loop, self.engine, prompt, params, f"sequence-{next(self._numbers)}")

    def call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """What a coroutine of the engine returns."""
        return self._loop.run(coroutine)


class Running:
    """A request that is under way."""

    def __init__(self, loop: _Loop, engine: Any, prompt: list[int], params: Any, name: str) -> None:
        self._tokens = 0
        self._grown = threading.Condition()
        self._ended = False
        self._future = loop.begin(self._follow(engine, prompt, params, name))

    async def _follow(self, engine: Any, prompt: list[int], params: Any, name: str) -> Any:
        output = None
        try:
            async for output in engine.generate({"prompt_token_ids": prompt}, params, request_id=name):
                self._tell(len(output.outputs[0].token_ids), ended=False)
        finally:
            self._tell(self._tokens, ended=True)
        return output

    def _tell(self, tokens: int, *, ended: bool) -> None:
        with self._grown:
            self._tokens, self._ended = tokens, ended
            self._grown.notify_all()

    def wait_for(self, tokens: int) -> None:
        """Return once so many tokens are out, or the request has ended."""
        with self._grown:
            self._grown.wait_for(lambda: self._ended or self._tokens >= tokens, timeout=_CALL_SECONDS)

    def result(self) -> Any:
        """The last output."""
        return self._future.result(_CALL_SECONDS)


class AsyncSync(RanksSync):
    """Weight updates under `pause_generation`, and by a plain reload while nothing runs."""

    def __init__(self, backend: AsyncV1Engine, ranks: Ranks) -> None:
        super().__init__(backend, ranks, None)
        self._async = backend
        self._running: list[Running] = []
        self._at_pause: list[int] = []

    def pauses(self) -> bool:
        """Whether this release has pause modes."""
        return hasattr(self._async.engine, "pause_generation")

    def _paused(self, request: wire.UpdateRequest) -> None:
        engine = self._async.engine
        if not self.pauses():
            raise Refused("this release has no pause_generation")
        mode = request.mode.removeprefix("pause-")
        self._async.call(engine.pause_generation(mode=mode, clear_cache=request.clear))
        try:
            self._at_pause = self.emitted(len(self._running))
            self._load(request.path)
        finally:
            self._async.call(engine.resume_generation())

    def _asleep(self, request: wire.UpdateRequest) -> None:
        del request
        raise Refused("sleep was not tried in the asynchronous engine")

    def _fly(self, request: wire.SyncReplayRequest, progress: Progress) -> Flight:
        if request.update is None:
            return super()._fly(request, progress)
        if request.update.mode not in wire.PAUSES:
            raise WorkerError("unsupported", "in the asynchronous engine, updates in flight come in a pause")
        self._running = [
            self._async.begin(prompt, params)
            for prompt, params in zip(request.prompts, self._params(request), strict=True)
        ]
        for running in self._running:
            running.wait_for(request.after)
        report = self.update(request.update)
        outputs = [running.result() for running in self._running]
        self._running = []
        aborted = request.update.mode == wire.PAUSE_ABORT and report.done
        before = self._at_pause if any(self._at_pause) else [-1] * len(outputs)
        return Flight(outputs, before, report, aborted=aborted)
