"""Runs the cases of a weight sync probe in one live engine, and their sequences through a cold one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.audit.sync.evidence import CaseRun, ColdRun, EngineProbe, Rows
from vllm_migrate.audit.sync.ways import Case, plain_mode
from vllm_migrate.engines.flips import CannotFlipError, flipped
from vllm_migrate.errors import EngineDiedError, EngineError
from vllm_migrate.workers import protocol as wire
from vllm_migrate.workers import sync_protocol as sync_wire

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from vllm_migrate.audit.evidence import Batch
    from vllm_migrate.engines.calls import EngineCalls

    Progress = Callable[[int, int], None]

_SECONDS = 600.0  # for one replay or update: seconds where all is well, and an engine can hang for ever
_CPU_CACHE = "intel_extension_for_pytorch"


class Replayer:
    """The probe's sequences through one engine."""

    def __init__(self, client: EngineCalls, slot: str, batch: Batch) -> None:
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
        """Logprobs by sequence."""
        return _rows(self.records(reset=reset)[0])

    def cold(self) -> ColdRun:
        """Everything that is asked of a cold engine."""
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


class Live:
    """Runs cases in the live engine."""

    def __init__(
        self, client: EngineCalls, replayer: Replayer, old: Path, new: Path, *, caching: bool
    ) -> None:
        self._client = client
        self.replayer = replayer
        self._old = str(old.absolute())
        self._new = str(new)
        self._caching = caching
        self._back = plain_mode(client.engine.generation)
        self._moved = False

    def run_all(self, wanted: Sequence[Case], found: EngineProbe, progress: Progress) -> None:
        """Run cases until the engine fails in one; the rest is then not tried."""
        for number, case in enumerate(wanted):
            progress(number, len(wanted))
            run = CaseRun(case)
            found.runs.append(run)
            try:
                self.run(run)
            except EngineDiedError:
                raise
            except EngineError as error:  # the engine can't be trusted after a failed step
                run.why = _meaning(error.message)
                rest = wanted[number + 1 :]
                found.runs += [CaseRun(left, why="not tried: the engine failed before") for left in rest]
                break
        progress(len(wanted), len(wanted))

    def run(self, run: CaseRun) -> None:
        """Run one case, from the old weights to the digests of the new."""
        case = run.case
        if self._moved:
            report = self._update(sync_wire.UpdateRequest(self._back, self._old, clear=True))
            if not report.done:
                run.why = f"the old weights could not be brought back: {report.why}"
                return
            self._moved = False
        settings: dict[str, object] = {}
        if case.caching != self._caching:
            settings["enable_prefix_caching"] = case.caching
        if case.head:
            settings["head_dtype"] = case.head
        try:
            with flipped(self._client, settings, slot=self.replayer.slot):
                self._measure(run)
        except CannotFlipError as refused:
            run.why = refused.message

    def _update(self, request: sync_wire.UpdateRequest) -> sync_wire.UpdateReport:
        return self._client.update(request, slot=self.replayer.slot, seconds=_SECONDS)

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


def _meaning(message: str) -> str:
    if _CPU_CACHE in message:
        return (
            "V0's CPU build has a prefix cache only with intel-extension-for-pytorch, which is not installed"
        )
    return f"the engine failed: {message}"


def _cached(records: list[sync_wire.SyncRecord]) -> int:
    """Prompt tokens taken from the prefix cache; -1 where any sequence doesn't tell."""
    told = [record.cached for record in records]
    return -1 if not told or min(told) < 0 else sum(told)


def _rows(records: list[sync_wire.SyncRecord]) -> Rows:
    return tuple(tuple(record.logprobs) for record in records)
