"""Engines kept alive from one audit to the next, so that hundreds of audits cost minutes.

An audit starts every arm in a process of its own. Here one V0 process and one V1 process serve all audits:
an engine is started once for each set of arguments, and before an audit begins the weights of the case are
brought into it, which was shown to give the bits of an engine that was started on them
(`tests/audit/test_real_sync.py`). Everything else is the product's own code, from the arms to the verdict.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vllm_migrate.audit.arms.reference import run_noise_floor, run_reference
from vllm_migrate.audit.arms.shared import Shared
from vllm_migrate.audit.evidence import CANDIDATE, NOISE_FLOOR, REFERENCE, EngineRun
from vllm_migrate.audit.journal import Journal
from vllm_migrate.audit.process import EngineProcess
from vllm_migrate.audit.replay import Replay
from vllm_migrate.audit.sync.probe import COLD_SLOT
from vllm_migrate.audit.sync.ways import plain_mode
from vllm_migrate.engines.client import EngineClient
from vllm_migrate.workers import protocol as wire
from vllm_migrate.workers import sync_protocol as sync_wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from vllm_migrate.audit.evidence import Evidence
    from vllm_migrate.audit.plan import AuditPlan
    from vllm_migrate.engines.environment import EngineEnvironment

    Meddle = Callable[[str, dict[str, Any]], dict[str, Any]]
    """From an operation and its arguments to the arguments that reach the engine."""

_OF_THE_REFERENCE = (REFERENCE, "counterparts", NOISE_FLOOR, f"trainer.{REFERENCE}")
"""Finished parts that no candidate can change: one run of them serves every candidate of a case."""

_SMALL_CACHE = {"num_gpu_blocks_override": 1024}
"""Blocks of the KV cache, so that a process can hold dozens of engines; they are on the CPU all the same."""


class KeptClient(EngineClient):
    """A client whose slots go by the names an audit gives them, and that can be made to falsify requests.

    Attributes:
        names: the slot that each of the audit's names stands for; others stand for themselves.
        meddle: what happens to requests on their way to the engine, None for nothing.
    """

    def __init__(self, environment: EngineEnvironment, name: str) -> None:
        super().__init__(environment, name=name)
        self.names: dict[str, str] = {}
        self.meddle: Meddle | None = None
        self._cold: dict[str, tuple[str, wire.Loaded]] = {}

    def load(
        self,
        model: str | Path,
        engine_args: Mapping[str, Any] | None = None,
        *,
        slot: str = wire.MAIN_SLOT,
        **more: Any,
    ) -> wire.Loaded:
        """Start an engine; a cold one that was started on the same bytes before is taken again."""
        if "kind" not in more:
            more["harness_args"] = {**self.engine.harness, **_SMALL_CACHE}
        if slot != COLD_SLOT:
            return super().load(model, engine_args, slot=slot, **more)
        key = _digest(model) + json.dumps(engine_args, sort_keys=True, default=str)
        if key not in self._cold:
            name = f"{COLD_SLOT}-{len(self._cold)}"
            self._cold[key] = name, super().load(model, engine_args, slot=name, **more)
        self.names[COLD_SLOT], loaded = self._cold[key]
        return loaded

    def _send(self, operation: str, args: dict[str, Any], slot: str) -> int:
        if self.meddle is not None:
            args = self.meddle(operation, args)
        return super()._send(operation, args, self.names.get(slot, slot))


@dataclass(slots=True)
class _Engine:
    slot: str
    loaded: wire.Loaded


class KeptProcess(EngineProcess):
    """One process with an engine for each set of arguments that was ever asked for."""

    client: KeptClient

    def __init__(self, environment: EngineEnvironment, model: Path) -> None:
        super().__init__(environment, environment.name, model, _silent, {})
        self.client = KeptClient(environment, f"faults-{environment.generation}")
        self._engines: dict[str, _Engine] = {}
        self._trainers: dict[Path, str] = {}

    def begin(self, model: Path, meddle: Meddle | None) -> None:
        """Serve the next arm: with the weights of this checkpoint, through this fault."""
        self._model = model
        self.client.names.clear()
        self.client.meddle = meddle

    def load(self, arm: str, arguments: dict[str, Any], *, slot: str = wire.MAIN_SLOT) -> EngineRun:
        """The engine with these arguments, computing with the case's weights."""
        meddle, self.client.meddle = self.client.meddle, None  # the checkpoint itself arrives unharmed
        key = json.dumps(arguments, sort_keys=True, default=str)
        if key not in self._engines:
            name = f"kept-{len(self._engines)}"
            self._engines[key] = _Engine(name, self.client.load(self._model, arguments, slot=name))
        engine = self._engines[key]
        self.client.names[slot] = engine.slot
        mode = plain_mode(self.environment.generation)
        report = self.client.update(sync_wire.UpdateRequest(mode, str(self._model), clear=True), slot=slot)
        if not report.done:
            raise RuntimeError(f"{self.environment.name} took no weights: {report.why}")
        self.client.meddle = meddle
        self.loaded = True
        return EngineRun(arm, self.environment.name, arguments, engine.loaded)

    def load_trainer(self, arm: str) -> None:
        """The trainer with the case's weights."""
        del arm
        name = self._trainers.get(self._model)
        if name is None:
            name = self._trainers[self._model] = f"kept-trainer-{len(self._trainers)}"
            self.client.load(self._model, {"dtype": "float32"}, kind="trainer", slot=name)
        self.client.names[wire.MAIN_SLOT] = name
        self.loaded = True


class MemoryJournal(Journal):
    """Keeps what the audits of one seed have in common: all that is the reference's."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[str, Any] = {}

    def find(self, name: str) -> Any:
        """A finished part of the reference."""
        return self._kept.get(name)

    def keep(self, name: str, value: Any) -> None:
        """Keep it where no candidate has a share in it."""
        if name in _OF_THE_REFERENCE:
            self._kept[name] = value


class _KeptShared(Shared):
    def __init__(
        self, plan: AuditPlan, journal: Journal, processes: Mapping[str, KeptProcess], meddle: Meddle | None
    ) -> None:
        super().__init__(plan, progress=_silent, journal=journal)
        self._processes = processes
        self._meddle = meddle

    @contextmanager
    def process(self, environment: EngineEnvironment, arm: str) -> Iterator[EngineProcess]:
        """The kept process; only the candidate has the fault."""
        process = self._processes[environment.generation]
        process.begin(self.plan.model, self._meddle if arm == CANDIDATE else None)
        try:
            yield process
        finally:
            process.client.meddle = None


class KeptReplay(Replay):
    """The arms of one plan, one after another, in the kept processes."""

    def __init__(
        self,
        plan: AuditPlan,
        processes: Mapping[str, KeptProcess],
        journal: Journal,
        meddle: Meddle | None = None,
    ) -> None:
        super().__init__(
            plan,
            model_hash="",
            v0=processes["v0"].environment,
            v1=processes["v1"].environment,
            trace=None,
            progress=_silent,
        )
        self._shared = _KeptShared(plan, journal, processes, meddle)
        self._environment = processes["v0"].environment

    def run_reference(self) -> None:
        """Run the reference and its noise floor alone, for the journal."""
        run_reference(self._shared, self._environment, model_hash="", only_reference=False)
        run_noise_floor(self._shared, self._environment)

    def run(self) -> Evidence:
        """Run every arm."""
        for task in self._tasks():
            self._shared.guarded(task)
        for probe in self._shared.measured.sync_probes:
            probe.close()
        return self._shared.measured.evidence(self._complete_trace())


def _digest(model: str | Path) -> str:
    """Of a checkpoint's weights."""
    found = hashlib.blake2b(digest_size=16)
    for file in sorted(Path(model).glob("*.safetensors")):
        found.update(file.read_bytes())
    return found.hexdigest()


def _silent(*_: object) -> None:
    """Nobody watches."""
