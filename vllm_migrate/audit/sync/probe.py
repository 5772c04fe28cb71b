"""The weight sync probe: a known small change of weights, brought into a live engine in every way it offers.

For every way: back to the old weights, the same sequences replayed so that the prefix cache holds blocks of
the old weights, the update, the sequences again as they hit the cache, once more with an empty cache, and the
digests of the weights. What came out is held against a cold engine that was started on the new weights.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from vllm_migrate.audit.sync.changed_weights import weight_bytes, write_changed
from vllm_migrate.audit.sync.evidence import CaseRun, EngineProbe
from vllm_migrate.audit.sync.live import Live, Replayer
from vllm_migrate.audit.sync.sequences import FEWEST_TOKENS, TOKENS_IN_FLIGHT, shared_prefix_batch
from vllm_migrate.audit.sync.ways import Case, SyncWay, cases, plain_mode
from vllm_migrate.engines.flips import CannotFlipError, flipped
from vllm_migrate.errors import EngineDiedError, EngineError, VllmMigrateError
from vllm_migrate.workers import protocol as wire

if TYPE_CHECKING:
    from typing_extensions import Self

    from vllm_migrate.audit.evidence import Batch, EngineRun
    from vllm_migrate.audit.sync.live import Progress
    from vllm_migrate.engines.calls import EngineCalls
    from vllm_migrate.trace.model import Trace

COLD_SLOT = "sync-cold"
_LIVE_SLOT = "sync-live"
_CACHING_SLOT = "sync-caching"

LARGEST_BY_ITSELF = 4_000_000_000
"""Bytes of weights up to which the probe runs without being asked for: it writes a copy of them to disk."""


class SyncProbe:
    """One probe of one engine. Use as a context manager: leaving it removes the changed checkpoint.

    Nothing it does raises for want of an engine's cooperation: what could not be tried is a note.

    Args:
        model: directory of the checkpoint.
        level: "auto", "own", "all" or "none".
        way: the user's own way, where it is known.
        seed: of the noise.
        asynchronous: whether the engine is `AsyncLLM`.
    """

    def __init__(
        self, model: Path, *, level: str, way: SyncWay | None, seed: int, asynchronous: bool = False
    ) -> None:
        self._asynchronous = asynchronous
        self._kind = wire.V1_ASYNC if asynchronous else ""
        self._model = model
        self._level = level
        self._way = way
        self._seed = seed
        self._stack = ExitStack()
        self._changed: Path | None = None
        self._batch: Batch | None = None
        self._arguments: dict[str, object] = {}
        self._heads: set[str] = {""}
        self.found: EngineProbe | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the changed checkpoint; calling it again does nothing."""
        self._stack.close()

    @property
    def compared(self) -> bool:
        """Whether the cold engine has run."""
        return self.found is not None and bool(self.found.cold)

    @property
    def waiting(self) -> bool:
        """Whether the live engine was probed and the cold one is still to run."""
        return self._changed is not None and self.found is not None and not self.found.note

    def hot(self, client: EngineCalls, run: EngineRun, trace: Trace, progress: Progress) -> None:
        """Probe the live engine in the client's main slot. Afterwards its weights are not its own any more.

        Args:
            client: speaks to it.
            run: what was started there.
            trace: the user's prompts and the reference's completions.
            progress: told how many cases are done, and of how many.
        """
        if self._level == "none":
            return
        settings = run.loaded.settings
        found = EngineProbe(
            engine=run.engine,
            version=run.loaded.version,
            device=str(settings.get("device", "")),
            prefix_caching=bool(settings.get("enable_prefix_caching")),
            block_size=int(settings.get("block_size") or 0),
            asynchronous=self._asynchronous,
        )
        self.found = found
        self._arguments = dict(run.arguments)
        started = time.monotonic()
        try:
            self._prepare(found, settings, trace)
            if not found.note:
                self._probe(client, found, progress, generation=client.engine.generation)
        except EngineDiedError as error:
            found.note = f"the engine was lost during the probe: {error.message}"
        except VllmMigrateError as error:
            found.note = error.message
        found.seconds = round(time.monotonic() - started, 3)

    def cold(self, client: EngineCalls, slot: str = COLD_SLOT) -> None:
        """Start an engine on the new weights and replay there what the live engine replayed."""
        found, changed, batch = self.found, self._changed, self._batch
        if found is None or changed is None or batch is None or not self.waiting:
            return
        started = time.monotonic()
        try:
            client.load(changed, self._arguments, slot=slot, kind=self._kind)
            replayer = Replayer(client, slot, batch)
            found.cold_checksums = client.checksum(slot=slot)
            found.cold[""] = replayer.cold()
            for head in self._heads - {""}:
                with suppress(CannotFlipError), flipped(client, {"head_dtype": head}, slot=slot):
                    found.cold[head] = replayer.cold()
        except VllmMigrateError as error:
            found.note = f"no cold engine to compare with: {error.message}"
        found.seconds = round(found.seconds + time.monotonic() - started, 3)

    def _prepare(self, found: EngineProbe, settings: dict[str, object], trace: Trace) -> None:
        size = weight_bytes(self._model)
        if self._level == "auto" and size > LARGEST_BY_ITSELF:
            found.note = (
                f"the checkpoint has {size / 1e9:.0f} GB, and the probe writes a changed copy of it;"
                " --sync-probe all does that"
            )
            return
        self._batch = shared_prefix_batch(
            trace.prompts,
            trace.rollouts,
            block_size=found.block_size,
            max_model_len=int(str(settings.get("max_model_len") or 0)),
            fewest=TOKENS_IN_FLIGHT if self._asynchronous else FEWEST_TOKENS,
        )
        if not self._batch.prompts:
            found.note = (
                f"no prompt with a whole cached block of {found.block_size} tokens fits into"
                f" max_model_len={settings.get('max_model_len')}"
            )
            return
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="vllm-migrate-sync-"))
        self._changed = Path(folder)
        write_changed(self._model, self._changed, seed=self._seed)

    def _probe(self, client: EngineCalls, found: EngineProbe, progress: Progress, *, generation: str) -> None:
        assert self._batch is not None  # noqa: S101 - for the type checker; `_prepare` made it
        assert self._changed is not None  # noqa: S101 - likewise
        wanted = cases(self._level, generation=generation, caching=found.prefix_caching, way=self._way)
        replayer = Replayer(client, wire.MAIN_SLOT, self._batch)
        try:
            found.old = replayer.rows(reset=True)
        except EngineDiedError:
            raise
        except EngineError:  # an experiment before this one may have left the engine unusable
            client.load(self._model, self._arguments, slot=_LIVE_SLOT, kind=self._kind)
            replayer = Replayer(client, _LIVE_SLOT, self._batch)
            found.old = replayer.rows(reset=True)
        live = Live(client, replayer, self._model, self._changed, caching=found.prefix_caching)
        found.old_again = live.replayer.rows(reset=True)
        self._heads |= {case.head for case in wanted}
        live.run_all(wanted, found, progress)
        if self._level == "all" and not found.prefix_caching:
            self._probe_cached(client, found, progress)

    def _probe_cached(self, client: EngineCalls, found: EngineProbe, progress: Progress) -> None:
        """The plain ways once more in an engine with prefix caching, which the user's has not."""
        assert self._batch is not None  # noqa: S101 - for the type checker; `_prepare` made it
        assert self._changed is not None  # noqa: S101 - likewise
        mode = plain_mode(client.engine.generation)
        wanted = [Case(SyncWay(mode, clear), caching=True) for clear in (False, True)]
        why = "" if client.engine.device == "cpu" else "a second engine has no room on the device"
        if not why:
            try:
                client.load(
                    self._model, {**self._arguments, "enable_prefix_caching": True}, slot=_CACHING_SLOT
                )
            except EngineDiedError:
                raise
            except VllmMigrateError as error:
                why = f"no engine with prefix caching: {error.message}"
        if why:
            found.runs += [CaseRun(case, why=why) for case in wanted]
            return
        replayer = Replayer(client, _CACHING_SLOT, self._batch)
        live = Live(client, replayer, self._model, self._changed, caching=True)
        live.run_all(wanted, found, progress)
