"""The weight sync probe: a known small change of weights, brought into a live engine in every way it offers.

For every way: back to the old weights, the same sequences replayed so that the prefix cache holds blocks of
the old weights, the update, the sequences again as they hit the cache, once more with an empty cache, and the
digests of the weights. What came out is held against a cold engine that was started on the new weights.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vllm_migrate.audit.changed_weights import weight_bytes, write_changed
from vllm_migrate.audit.sync_evidence import CaseRun, ColdRun, EngineProbe, Rows
from vllm_migrate.audit.sync_sequences import shared_prefix_batch
from vllm_migrate.audit.sync_ways import Case, SyncWay, cases
from vllm_migrate.errors import EngineDiedError, EngineError, VllmMigrateError
from vllm_migrate.workers import protocol as wire
from vllm_migrate.workers import sync_protocol as sync_wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from vllm_migrate.audit.evidence import Batch, EngineRun
    from vllm_migrate.engines.client import EngineClient
    from vllm_migrate.trace.model import Trace

    Progress = Callable[[int, int], None]

COLD_SLOT = "sync-cold"
_LIVE_SLOT = "sync-live"

LARGEST_BY_ITSELF = 4_000_000_000
"""Bytes of weights up to which the probe runs without being asked for: it writes a copy of them to disk."""

_SECONDS = 600.0  # for one replay or update: seconds where all is well, and an engine can hang for ever


class SyncProbe:
    """One probe of one engine. Use as a context manager: leaving it removes the changed checkpoint.

    Nothing it does raises for want of an engine's cooperation: what could not be tried is a note.

    Args:
        model: directory of the checkpoint.
        level: "auto", "all" or "none".
        way: the user's own way, where it is known.
        seed: of the noise.
    """

    def __init__(self, model: Path, *, level: str, way: SyncWay | None, seed: int) -> None:
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

    def hot(self, client: EngineClient, run: EngineRun, trace: Trace, progress: Progress) -> None:
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

    def cold(self, client: EngineClient, slot: str = COLD_SLOT) -> None:
        """Start an engine on the new weights and replay there what the live engine replayed."""
        found, changed, batch = self.found, self._changed, self._batch
        if found is None or changed is None or batch is None or not self.waiting:
            return
        started = time.monotonic()
        try:
            client.load(changed, self._arguments, slot=slot)
            replayer = _Replayer(client, slot, batch)
            found.cold_checksums = client.checksum(slot=slot)
            found.cold[""] = replayer.cold()
            for head in self._heads - {""}:
                answer = client.flip("head_dtype", head, slot=slot)
                if answer.get("live"):
                    found.cold[head] = replayer.cold()
                    client.flip("head_dtype", answer.get("was"), slot=slot)
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

    def _probe(
        self, client: EngineClient, found: EngineProbe, progress: Progress, *, generation: str
    ) -> None:
        assert self._batch is not None  # noqa: S101 - for the type checker; `_prepare` made it
        assert self._changed is not None  # noqa: S101 - likewise
        wanted = cases(self._level, generation=generation, caching=found.prefix_caching, way=self._way)
        replayer = _Replayer(client, wire.MAIN_SLOT, self._batch)
        try:
            found.old = replayer.rows(reset=True)
        except EngineDiedError:
            raise
        except EngineError:  # an experiment before this one may have left the engine unusable
            client.load(self._model, self._arguments, slot=_LIVE_SLOT)
            replayer = _Replayer(client, _LIVE_SLOT, self._batch)
            found.old = replayer.rows(reset=True)
        live = _Live(client, replayer, self._model, self._changed)
        found.old_again = live.replayer.rows(reset=True)
        for number, case in enumerate(wanted):
            progress(number, len(wanted))
            run = CaseRun(case)
            found.runs.append(run)
            self._heads.add(case.head)
            try:
                live.run(run)
            except EngineDiedError:
                raise
            except EngineError as error:  # the engine can't be trusted after a failed step
                run.why = f"the engine failed: {error.message}"
                rest = wanted[number + 1 :]
                found.runs += [CaseRun(left, why="not tried: the engine failed before") for left in rest]
                break
        progress(len(wanted), len(wanted))


class _Replayer:
    """The probe's sequences through one engine."""

    def __init__(self, client: EngineClient, slot: str, batch: Batch) -> None:
        self.client = client
        self.slot = slot
        self.batch = batch

    def records(
        self, *, reset: bool, update: sync_wire.UpdateRequest | None = None, after: int = 0
    ) -> tuple[list[sync_wire.SyncRecord], sync_wire.UpdateReport | None]:
        """As drawn at temperature 1 with nothing cut off: raw and processed logprobs are the same there."""
        request = sync_wire.SyncReplayRequest(
            self.batch.prompts,
            self.batch.completions,
            wire.SamplingSettings(),
            reset=reset,
            update=update,
            after=after,
        )
        return self.client.sync_replay(request, slot=self.slot, seconds=_SECONDS)

    def rows(self, *, reset: bool) -> Rows:
        return _rows(self.records(reset=reset)[0])

    def cold(self) -> ColdRun:
        again = self.rows(reset=True)
        first, _ = self.records(reset=True)
        warm, _ = self.records(reset=False)
        return ColdRun(
            first=_rows(first),
            again=again,
            warm=_rows(warm),
            warm_again=self.rows(reset=False),
            cached_first=_cached(first),
            cached_warm=_cached(warm),
        )


class _Live:
    """Runs cases in the live engine."""

    def __init__(self, client: EngineClient, replayer: _Replayer, old: Path, new: Path) -> None:
        self._client = client
        self.replayer = replayer
        self._old = str(old.absolute())
        self._new = str(new)
        self._back = sync_wire.RELOAD if client.engine.generation == "v1" else sync_wire.IN_PLACE
        self._moved = False

    def run(self, run: CaseRun) -> None:
        case = run.case
        if self._moved:
            report = self._update(sync_wire.UpdateRequest(self._back, self._old, clear=True))
            if not report.done:
                run.why = f"the old weights could not be brought back: {report.why}"
                return
            self._moved = False
        changed: list[tuple[str, object]] = []
        try:
            run.why = self._set_up(case, changed)
            if not run.why:
                self._measure(run)
        finally:
            for setting, was in changed:
                self._flip(setting, was)

    def _update(self, request: sync_wire.UpdateRequest) -> sync_wire.UpdateReport:
        return self._client.update(request, slot=self.replayer.slot, seconds=_SECONDS)

    def _flip(self, setting: str, value: object) -> dict[str, Any]:
        return self._client.flip(setting, value, slot=self.replayer.slot)

    def _set_up(self, case: Case, changed: list[tuple[str, object]]) -> str:
        """Flip what the case asks for; why it can't be, where it can't."""
        wanted: list[tuple[str, object]] = []
        if not case.caching:
            wanted.append(("enable_prefix_caching", False))
        if case.head:
            wanted.append(("head_dtype", case.head))
        for setting, value in wanted:
            answer = self._flip(setting, value)
            if answer.get("live"):
                changed.append((setting, answer.get("was")))
            elif answer.get("was") is None or answer.get("was") != value:
                return f"{setting} can't be {value} here: {answer.get('why')}"
        return ""

    def _measure(self, run: CaseRun) -> None:
        case = run.case
        if not case.after:  # in flight, the sequences fill the cache until the update comes
            run.old = self.replayer.rows(reset=True)
        update = sync_wire.UpdateRequest(case.way.mode, self._new, clear=case.way.clear)
        if case.after:
            flight, report = self.replayer.records(reset=True, update=update, after=case.after)
            run.flight = tuple(flight)
        else:
            report = self._update(update)
        if report is None or not report.done:
            run.why = "" if report is None else report.why
            run.flight = ()
            return
        self._moved = True
        run.seconds = report.seconds
        records, _ = self.replayer.records(reset=False)
        run.warm = _rows(records)
        run.cached = _cached(records)
        run.clean = self.replayer.rows(reset=True)
        run.checksums = self._client.checksum(slot=self.replayer.slot)


def _cached(records: list[sync_wire.SyncRecord]) -> int:
    """Prompt tokens taken from the prefix cache; -1 where any sequence doesn't tell."""
    told = [record.cached for record in records]
    return -1 if not told or min(told) < 0 else sum(told)


def _rows(records: list[sync_wire.SyncRecord]) -> Rows:
    return tuple(tuple(record.logprobs) for record in records)
