"""Weight updates, tried in the live engine of an arm once nothing else is to be done there."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from vllm_migrate.audit.evidence import CANDIDATE
from vllm_migrate.audit.sync.evidence import EngineProbe
from vllm_migrate.audit.sync.probe import COLD_SLOT, SyncProbe
from vllm_migrate.audit.sync.ways import PAUSES
from vllm_migrate.errors import VllmMigrateError
from vllm_migrate.workers import protocol as wire

if TYPE_CHECKING:
    from vllm_migrate.audit.arms.shared import Shared
    from vllm_migrate.audit.evidence import EngineRun
    from vllm_migrate.audit.process import EngineProcess
    from vllm_migrate.engines.environment import EngineEnvironment

SYNC = "sync"
"""Name of the finished part in the journal, followed by the arm's."""

ASYNC = "async-engine"
"""The arm in which the pause modes are tried behind `AsyncLLM`."""

_SYNCING = "probing weight updates"


def take_sync(shared: Shared, arm: str) -> bool:
    """Take an earlier run's probe of weight updates in this arm; whether there is one."""
    found = shared.journal.find(f"{SYNC}.{arm}")
    if found is None:
        return False
    probe = SyncProbe(shared.plan.model, level="none", way=shared.plan.sync_way, seed=shared.plan.seed)
    probe.found = found
    shared.measured.sync_probes.insert(0 if arm == CANDIDATE else len(shared.measured.sync_probes), probe)
    return True


def probe_sync(shared: Shared, process: EngineProcess, run: EngineRun, *, level: str, together: bool) -> None:
    """Try weight updates in a live engine; the last thing done there, as its weights change."""
    plan = shared.plan
    probe = SyncProbe(plan.model, level=level, way=plan.sync_way, seed=plan.seed)
    shared.measured.sync_probes.insert(
        0 if run.name == CANDIDATE else len(shared.measured.sync_probes), probe
    )
    started = time.monotonic()
    probe.hot(process.client, run, shared.reference.result(), partial(shared.progress, run.name, _SYNCING))
    if together:
        probe.cold(process.client)
    else:
        shared.cold_later.append((run.name, process.environment, probe))
    if not probe.waiting or probe.compared:
        _keep_sync(shared, run.name, probe)
    shared.measured.timing[f"{run.name}.sync"] = round(time.monotonic() - started, 3)


def finish_sync(shared: Shared) -> None:
    """The cold engine of a probe, where it needs the device for itself."""
    for arm, environment, probe in shared.cold_later:
        if probe.waiting:
            with shared.process(environment, COLD_SLOT) as process:
                process.narrow()
                probe.cold(process.client, wire.MAIN_SLOT)
            _keep_sync(shared, arm, probe)


def probe_async(shared: Shared, environment: EngineEnvironment) -> None:
    """The pause modes in the asynchronous engine, which has them for users: its core in another process.

    Where it does not come up, its probe says why; the audit goes on.
    """
    plan = shared.plan
    if plan.sync_probe != "all" or take_sync(shared, ASYNC):
        return
    probe = SyncProbe(plan.model, level=PAUSES, way=None, seed=plan.seed, asynchronous=True)
    shared.measured.sync_probes.append(probe)
    started = time.monotonic()
    with shared.process(environment, ASYNC) as process:
        process.narrow()
        try:
            run = process.load(ASYNC, plan.candidate_args, kind=wire.V1_ASYNC)
        except VllmMigrateError as error:
            if shared.stopped:
                raise
            probe.found = EngineProbe(
                environment.name,
                environment.version,
                environment.device,
                prefix_caching=False,
                note=error.message,
                asynchronous=True,
            )
        else:
            run = replace(run, engine=f"{run.engine}, AsyncLLM")
            progress = partial(shared.progress, ASYNC, _SYNCING)
            probe.hot(process.client, run, shared.reference.result(), progress)
            if environment.device == "cpu":
                probe.cold(process.client)
            else:
                shared.cold_later.append((ASYNC, process.environment, probe))
    if not probe.waiting or probe.compared:
        _keep_sync(shared, ASYNC, probe)
    shared.measured.timing[f"{ASYNC}.sync"] = round(time.monotonic() - started, 3)


def _keep_sync(shared: Shared, arm: str, probe: SyncProbe) -> None:
    if not shared.stopped and probe.found is not None:
        shared.journal.keep(f"{SYNC}.{arm}", probe.found)
