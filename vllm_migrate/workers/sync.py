"""Weight updates inside a live engine, by every mode the release offers, and replay around them.

Everything is done through what user code calls (`collective_rpc("reload_weights")`, `load_weights`, `sleep`,
`wake_up`, `reset_prefix_cache`) where that exists in-process. The pause modes are the engine core's own
`pause_scheduler`, which `AsyncLLM.pause_generation` calls in the core's process.
"""

from __future__ import annotations

import inspect
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import sync_protocol as wire
from .backend import WorkerError, check_token_ids
from .runners import model_of
from .weights import checksums, load_in_place, tensors_of

if TYPE_CHECKING:
    from .backend import Progress
    from .vllm_engine import VllmBackend


class Refused(Exception):  # noqa: N818 - no failure: the engine does not offer what was asked for
    """This engine does not offer the mode; nothing was changed."""


@dataclass
class Flight:
    """What came of requests during which an update may have come.

    Attributes:
        outputs: of the requests, in their order.
        before: tokens that each had when the update came; -1 where there was none.
        report: of the update, None where there was none.
        aborted: whether it ended the requests.
    """

    outputs: list[Any]
    before: list[int]
    report: wire.UpdateReport | None
    aborted: bool = False


class WeightSync:
    """Updates and replays for one engine.

    Args:
        backend: the engine.
        model_runner: its model runner.
        core: V1's engine core, None for V0.
    """

    def __init__(self, backend: VllmBackend, model_runner: Any, core: Any | None) -> None:
        self._backend = backend
        self._llm = backend.llm
        self._runner = model_runner
        self._core = core

    def checksums(self) -> wire.Checksums:
        """Digests of what the engine computes with."""
        return checksums(model_of(self._runner))

    def update(self, request: wire.UpdateRequest) -> wire.UpdateReport:
        """Carry out an update while nothing is running."""
        started = time.perf_counter()
        try:
            self._update(request)
        except Refused as refusal:
            return wire.UpdateReport(done=False, why=str(refusal))
        return wire.UpdateReport(done=True, seconds=round(time.perf_counter() - started, 4))

    def replay(
        self, request: wire.SyncReplayRequest, progress: Progress
    ) -> tuple[list[wire.SyncRecord], wire.UpdateReport | None]:
        """Force sequences; with an update in flight where one is asked for.

        Raises:
            WorkerError: "forced-decoding" where other tokens came out, "input" for impossible token ids.
        """
        backend = self._backend
        check_token_ids(request.prompts, backend.vocab_size(), "prompt")
        check_token_ids(request.completions, backend.vocab_size(), "completion")
        if request.reset and not backend.reset():
            raise WorkerError("engine", "the prefix cache could not be emptied before the replay")
        backend.forced.begin(request.completions)
        try:
            flight = self._fly(request, progress)
        finally:
            backend.forced.end()
        if flight.aborted:
            return [wire.SyncRecord([], before=count) for count in flight.before], flight.report
        outputs, before = flight.outputs, flight.before
        if len(outputs) != len(request.prompts):
            raise WorkerError("engine", f"the engine answered {len(outputs)} of {len(before)} requests")
        records = []
        for key, (output, tokens) in enumerate(zip(outputs, request.completions, strict=True)):
            completion = output.outputs[0]
            if list(completion.token_ids) != tokens:
                raise WorkerError("forced-decoding", f"sequence {key} did not follow the forced tokens")
            cached = getattr(output, "num_cached_tokens", None)
            logprobs = [
                float(at_step[token].logprob)
                for token, at_step in zip(tokens, completion.logprobs, strict=True)
            ]
            records.append(wire.SyncRecord(logprobs, -1 if cached is None else int(cached), before[key]))
        return records, flight.report

    def _fly(self, request: wire.SyncReplayRequest, progress: Progress) -> Flight:
        """Run the requests, and carry the update out on the way where there is one."""
        switch = None if request.update is None else _Switch(self, request.update, request)
        before_step = None if switch is None else switch.before_step
        params = self._params(request)
        outputs = self._backend.run(request.prompts, params, progress, before_step)
        before = [-1] * len(request.prompts)
        if switch is None:
            return Flight(outputs, before, None)
        switch.finish()
        if any(switch.before):
            before = switch.before
        return Flight(outputs, before, switch.report, aborted=switch.aborted)

    def emitted(self, count: int) -> list[int]:
        """Tokens forced so far, by sequence; 0 each where this model runner can't be tapped."""
        return [len(self._backend.forced.raw(key)) for key in range(count)]

    def pauses(self) -> bool:
        """Whether this release has pause modes."""
        return hasattr(self._core, "pause_scheduler")

    def settled(self, mode: str) -> bool:
        """Whether the update may come now; else it is asked for again before the next step.

        An engine with pipeline stages or asynchronous scheduling has several steps under way at a time. Where
        running requests are kept, the core's own process pauses its scheduler and waits for these steps; here
        they come in as the engine goes on stepping.
        """
        if mode != wire.PAUSE_KEEP or not self.pauses() or not getattr(self._core, "batch_queue", None):
            return True
        from vllm.v1.core.sched.interface import PauseState

        scheduler: Any = getattr(self._core, "scheduler", None)
        scheduler.set_pause_state(PauseState.PAUSED_ALL)
        return False

    def abort_all(self) -> None:
        """Abort every request, outputs included, as `pause_generation(mode="abort")` does."""
        engine = self._backend.engine
        engine.abort_request(list(engine.output_processor.request_states), internal=True)

    def _params(self, request: wire.SyncReplayRequest) -> list[Any]:
        """Parameters that make the requests follow their completions."""
        backend = self._backend
        return [
            backend.sampling_params(
                request.sampling,
                max_tokens=len(tokens),
                ignore_eos=True,
                text=False,
                **backend.forcing_params(key, tokens),
            )
            for key, tokens in enumerate(request.completions)
        ]

    def _update(self, request: wire.UpdateRequest) -> None:
        mode = request.mode
        if mode == wire.NONE:
            return
        if mode in wire.PAUSES:
            self._paused(request)
            return
        if mode == wire.SLEEP_WAKE:
            self._asleep(request)
        elif mode == wire.RELOAD:
            self._reload(request.path)
        elif mode == wire.RELOAD_TENSORS:
            self._reload_tensors(request.path)
        elif mode == wire.IN_PLACE:
            self._write_in_place(request.path)
        elif mode == wire.TRANSFER:
            self._transfer()
        else:
            raise WorkerError("unsupported", f"no way of updating weights is called {mode!r}")
        if request.clear and not self._backend.reset():
            raise WorkerError("engine", "the engine refused to reset its prefix cache")

    def _paused(self, request: wire.UpdateRequest) -> None:
        core = self._core
        if core is None or not self.pauses():
            raise Refused("this release has no pause modes")
        how = request.mode.removeprefix("pause-")
        if how == "wait":
            # In-process the core leaves the waiting to the caller; everything has been drained here, and what
            # the core's own process does then is to clear its caches where it was asked to.
            if request.clear and not self._backend.reset():
                raise WorkerError("engine", "the engine refused to reset its prefix cache")
            self._load(request.path)
            return
        core.pause_scheduler(how, request.clear)
        try:
            self._load(request.path)
        finally:
            core.resume_scheduler()

    def _asleep(self, request: wire.UpdateRequest) -> None:
        config = self._backend.config
        if config.device_config.device_type != "cpu" and not config.model_config.enable_sleep_mode:
            raise Refused("the engine was started without enable_sleep_mode")
        if self._core is None and config.device_config.device_type == "cpu":
            raise Refused("V0 has no sleep mode on CPU")
        self._llm.sleep(level=2)
        self._llm.wake_up(tags=["weights"])
        self._load(request.path)
        self._llm.wake_up(tags=["kv_cache"])

    def _load(self, path: str) -> None:
        """Load by whichever way this engine has; V1 reloads, V0 writes in place."""
        if self._reload_parameters() is not None:
            self._reload(path)
        else:
            self._write_in_place(path)

    def _reload(self, path: str) -> None:
        parameters = self._reload_parameters()
        if parameters is None:
            raise Refused("this release has no reload_weights")
        if "weights_path" in parameters:
            self._llm.collective_rpc("reload_weights", kwargs={"weights_path": path})
            return
        self._point_to(path)  # before it took an argument it read the path from its configuration
        self._llm.collective_rpc("reload_weights")

    def _reload_tensors(self, path: str) -> None:
        if "weights_iterator" not in (self._reload_parameters() or ()):
            raise Refused("this release's reload_weights takes no tensors")
        self._reload_with_tensors(path)

    def _reload_parameters(self) -> list[str] | None:
        """Names of what the runner's `reload_weights` takes; None where it has no such method."""
        reload = getattr(self._runner, "reload_weights", None)
        return None if reload is None else list(inspect.signature(reload).parameters)

    def _point_to(self, path: str) -> None:
        self._runner.model_config.model = path

    def _reload_with_tensors(self, path: str) -> None:
        self._llm.collective_rpc("reload_weights", kwargs={"weights_iterator": tensors_of(path)})

    def _transfer(self) -> None:
        """Always refused: the other end of a weight transfer is a trainer's process on a GPU."""
        if not hasattr(self._llm, "init_weight_transfer_engine"):
            raise Refused("this release has no weight transfer")
        if getattr(self._backend.config, "weight_transfer_config", None) is None:
            raise Refused("the engine was started without weight_transfer_config")
        raise Refused("a weight transfer needs a trainer's process at its other end")

    def _write_in_place(self, path: str) -> None:
        if why := load_in_place(model_of(self._runner), path):
            raise Refused(why)


class _Switch:
    """Carries out an update before one step of a running replay, or after it where the mode waits."""

    def __init__(self, sync: WeightSync, update: wire.UpdateRequest, request: wire.SyncReplayRequest) -> None:
        self._sync = sync
        self._update = update
        self._after = request.after
        self._completions = request.completions
        self._steps = 0
        self.before: list[int] = []
        self.aborted = False
        self.report: wire.UpdateReport | None = None

    def before_step(self) -> None:
        """Called before every step of the engine."""
        self._steps += 1
        if self.report is not None or self._steps <= self._after or self._update.mode == wire.PAUSE_WAIT:
            return
        if not self._sync.settled(self._update.mode):
            return
        self.before = self._sync.emitted(len(self._completions))
        if self._update.mode == wire.PAUSE_ABORT and self._sync.pauses():
            self._sync.abort_all()
            self.aborted = True
        self.report = self._sync.update(self._update)

    def finish(self) -> None:
        """Where the update waits for the running requests, it is carried out now."""
        if self.report is None:
            self.before = [len(tokens) for tokens in self._completions]
            self.report = self._sync.update(self._update)
