"""The engines on a Ray cluster: replicas that share every arm's prompts.

One placement group holds the whole audit's share of the cluster: a bundle for each replica, so that replica 2
of every arm runs on the same node, and a difference between nodes is no difference between engines.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import tempfile
import threading
from typing import TYPE_CHECKING, Any

import ray
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from vllm_migrate import errors
from vllm_migrate.audit.executors.ray_client import BESIDE, RayClient
from vllm_migrate.audit.executors.ray_node import (
    ERROR,
    OK,
    Replica,
    checkpoint_stamp,
    code_digest,
    find_engine,
    node_name,
    sees,
)
from vllm_migrate.errors import EngineError, EngineStartError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from vllm_migrate.audit.executors.executor import Report, Scale
    from vllm_migrate.engines.calls import EngineCalls
    from vllm_migrate.engines.environment import EngineEnvironment

PLACE_SECONDS = 300.0
"""How long to wait for what others hold of the cluster."""

_ASK_SECONDS = 120.0
_TRIES = 3  # Ray gives a node 30 seconds to come up, which a busy machine may miss
_STORE_BYTES = 512 << 20  # of a cluster that is started for the audit: what travels is token ids and logprobs


class RayExecutor:
    """Starts every arm's engine as several actors; attributes as in `Executor`.

    Args:
        scale: how many, and where.
        model: directory of the checkpoint, which every node must have.

    Raises:
        UsageError: the cluster has no room for as many.
        EngineError: there is no cluster at the address, or it does not answer.
    """

    def __init__(self, scale: Scale, model: Path) -> None:
        self.replicas = scale.replicas
        self._model = model.absolute()
        self._joined = not ray.is_initialized()
        self._group: Any = None
        if self._joined:
            join(scale.address)
        try:
            each = {"CPU": float(scale.cpus)}
            if ray.cluster_resources().get("GPU", 0):
                each["GPU"] = 1.0  # forced replay drives an engine in one process, on one device
            self._each = each
            self.arms_at_once = _arms_at_once(scale.replicas, each)
            self._reserve()
            self._places = self._ask_everywhere(node_name)
        except BaseException:
            self.close()
            raise
        self._stamp = checkpoint_stamp(self._model)
        self._code = code_digest()
        self._specs: list[tuple[EngineEnvironment, str]] = []
        nodes = ", ".join(dict.fromkeys(self._places))
        self.notes: tuple[str, ...] = (
            f"{self.replicas} replicas of each engine shared the prompts, on Ray ({nodes})",
        )

    def require(self, spec: str) -> EngineEnvironment:
        """The engine that a specification names on the first replica's node.

        Raises:
            VllmMigrateError: it is not there.
        """
        found = self._ask(0, find_engine, spec)
        if ERROR in found:
            error = found[ERROR]
            raise getattr(errors, error["class"], EngineError)(
                f"on {self._places[0]}: {error['message']}", hint=f"there: {error['hint']}"
            )
        environment: EngineEnvironment = found[OK]
        self._specs.append((environment, spec))
        return environment

    def client(
        self, environment: EngineEnvironment, *, replica: int, name: str, report: Report
    ) -> EngineCalls:
        """One replica's engine, in its bundle."""
        # By its place: what stands in for the reference is the candidate's environment under another name.
        spec = next(spec for known, spec in self._specs if known.root == environment.root)

        def make() -> Any:
            actor = ray.remote(concurrency_groups={BESIDE: 2}, max_restarts=0)(Replica)
            return actor.options(**self._options(replica)).remote(
                spec, environment, name, model=str(self._model), stamp=self._stamp, code=self._code
            )

        return RayClient(environment, name=name, place=self._places[replica], make=make, report=report)

    def shares_temporary_files(self) -> bool:
        """Whether the first replica sees what is written to this machine's directory for temporary files."""
        with tempfile.NamedTemporaryFile(prefix="vllm-migrate-seen-") as file:
            return bool(self._ask(0, sees, file.name))

    def close(self) -> None:
        """Give back the share of the cluster, and leave it where it was joined for this."""
        if self._group is not None and ray.is_initialized():
            with contextlib.suppress(ray.exceptions.RayError):
                remove_placement_group(self._group)
        self._group = None
        if self._joined and ray.is_initialized():
            ray.shutdown()

    def _reserve(self) -> None:
        bundle = {kind: amount * self.arms_at_once for kind, amount in self._each.items()}
        self._group = placement_group([bundle] * self.replicas, strategy="SPREAD")
        if not self._group.wait(PLACE_SECONDS):
            raise EngineStartError(
                f"the cluster had no room for {self.replicas} replicas ({_words(bundle)} each)"
                f" within {PLACE_SECONDS:.0f} seconds",
                hint="others hold it: see `ray status`",
            )

    def _options(self, replica: int) -> dict[str, Any]:
        return {
            "num_cpus": self._each["CPU"],
            "num_gpus": self._each.get("GPU", 0.0),
            "scheduling_strategy": PlacementGroupSchedulingStrategy(
                self._group, placement_group_bundle_index=replica
            ),
        }

    def _ask_everywhere(self, question: Callable[..., Any]) -> list[Any]:
        return [self._ask(replica, question) for replica in range(self.replicas)]

    def _ask(self, replica: int, question: Callable[..., Any], *about: Any) -> Any:
        """What a function says on a replica's node."""
        asked = ray.remote(question).options(**self._options(replica), max_retries=0).remote(*about)
        try:
            return ray.get(asked, timeout=_ASK_SECONDS)
        except ray.exceptions.RayError as error:
            raise EngineStartError(
                f"replica {replica + 1}'s node does not answer: {_cause(error)}",
                hint="vllm-migrate must be installed on every node, in the same version",
            ) from error


def join(address: str) -> None:
    """Join the cluster, or start one on this machine where none was named and none is there.

    Raises:
        EngineError: neither worked. What Ray raises is of no common kind, bare exceptions among them.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    with _own_signals():
        named = address or os.environ.get("RAY_ADDRESS", "")
        try:
            ray.init(address=address or "auto", **quiet)
        except Exception as error:
            if named:
                raise EngineError(f"no Ray cluster at {named}: {_cause(error)}") from error
        else:
            return
        for left in reversed(range(_TRIES)):
            try:
                ray.init(address="local", include_dashboard=False, object_store_memory=_STORE_BYTES, **quiet)
            except Exception as error:  # noqa: PERF203 - a try takes seconds
                ray.shutdown()
                if not left:
                    raise EngineError(f"Ray did not come up on this machine: {_cause(error)}") from error
            else:
                return


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keep this process's own handler of SIGTERM, which Ray replaces: whoever set it wants its reports."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _arms_at_once(replicas: int, each: dict[str, float]) -> int:
    """How many arms fit beside one another: two, as on one machine, or one.

    Raises:
        UsageError: not even one.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]

    def room(arms: int) -> int:
        return sum(
            min(int(node.get(kind, 0) // (amount * arms)) for kind, amount in each.items()) for node in nodes
        )

    for arms in (2, 1):
        if room(arms) >= replicas:
            return arms
    raise UsageError(
        f"the cluster has room for {room(1)} replicas of {_words(each)}, not for {replicas}",
        hint="give --replicas or --replica-cpus less, or bring up its nodes first",
    )


def _words(amounts: dict[str, float]) -> str:
    return ", ".join(f"{amount:g} {kind}" for kind, amount in amounts.items())


def _cause(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
