"""Earns speed back: what parity turned off is turned on again, alone and together, and timed.

The parity settings and an option alternate in the live engine over the same tokens, so that whatever else the
machine does meets both alike. An option is kept where the signal stays equivalent to the reference's with it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from vllm_migrate.audit.cause.climbed import choose
from vllm_migrate.audit.cause.evidence import Option, SpeedRun, merged
from vllm_migrate.audit.cause.live_engine import limit_after
from vllm_migrate.engines.calls import WORK_SECONDS
from vllm_migrate.errors import VllmMigrateError
from vllm_migrate.statistics.distributions import student_t_quantile
from vllm_migrate.statistics.verdict import Estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vllm_migrate.audit.cause.live_engine import LiveEngine, Replayed
    from vllm_migrate.audit.process import EngineProcess
    from vllm_migrate.trace.model import Prompt, Rollout
    from vllm_migrate.workers.protocol import ReplayRecord, SamplingSettings

ROUNDS = 5
SHARE_OF_PROMPTS = 0.25  # timed with all their samples: what samples share is what a prefix cache serves
FEWEST_PROMPTS = 8
ARM = "speed"


def parity_flips(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What brings a live candidate to the parity settings."""
    flips: dict[str, Any] = {}
    if str(settings.get("logprobs_mode", "")).startswith("raw"):
        flips["logprobs_mode"] = "processed_logprobs"
    if settings.get("enable_prefix_caching"):
        flips["enable_prefix_caching"] = False
    return flips


def options(settings: Mapping[str, Any]) -> list[Option]:
    """What parity, or the user, turned off and this device could have.

    Args:
        settings: the candidate's effective settings.
    """
    on_cpu = settings.get("device") == "cpu"
    caching = {"enable_prefix_caching": True}
    found = [
        Option(caching, flips=caching)
        if settings.get("enable_prefix_caching")
        else Option(caching, arguments=caching)
    ]
    overlapped = {"async_scheduling": True}
    obstacle = "the CPU platform forces asynchronous scheduling off" if on_cpu else ""
    found.append(Option(overlapped, arguments=overlapped, obstacle=obstacle))
    if not settings.get("enable_chunked_prefill"):
        chunks = {"enable_chunked_prefill": True}
        found.append(Option(chunks, arguments=chunks))
    if settings.get("enforce_eager"):
        compiled = {"enforce_eager": False}
        obstacle = "compilation and CUDA graphs are for GPUs; on a CPU nothing was measured" if on_cpu else ""
        found.append(Option(compiled, arguments=compiled, obstacle=obstacle))
    possible = [option for option in found if not option.obstacle]
    if len(possible) > 1:
        found.append(
            Option(
                merged(option.settings for option in possible),
                merged(option.flips for option in possible),
                merged(option.arguments for option in possible),
            )
        )
    return found


class SpeedTrial:
    """Tries options in the candidate's engine. Use `run` once.

    Args:
        engine: the candidate's.
        prompts, rollouts: the reference's.
        sampling: what the candidate's requests set.
        settings: the candidate's effective settings.
        stopped: whether the whole audit is being given up.
    """

    def __init__(
        self,
        engine: LiveEngine,
        prompts: Sequence[Prompt],
        rollouts: Sequence[Rollout],
        sampling: SamplingSettings,
        settings: Mapping[str, Any],
        *,
        stopped: Callable[[], bool],
    ) -> None:
        self._engine = engine
        self._prompts = prompts
        self._rollouts = rollouts
        self._sampling = sampling
        self._settings = settings
        self._stopped = stopped
        self._limit: float | None = None
        self._chosen = choose(rollouts)
        few = max(FEWEST_PROMPTS, int(len(prompts) * SHARE_OF_PROMPTS))
        self._timed = [rollout for rollout in rollouts if rollout.prompt < few]

    def run(self) -> list[SpeedRun]:
        """Every option, the impossible ones with their reason. An engine's failure is a note."""
        return [self._try(option) for option in options(self._settings)]

    def _try(self, option: Option) -> SpeedRun:
        run = SpeedRun(option)
        if option.obstacle:
            run.note = option.obstacle
            return run
        try:
            self._measure(option, run)
        except VllmMigrateError as error:
            if self._stopped():
                raise
            self._engine.discard()
            run.note = f"failed: {error.message}"
            run.records, run.ratios = [], []
        return run

    def _measure(self, option: Option, run: SpeedRun) -> None:
        chosen = [self._rollouts[index] for index in self._chosen]
        if self._limit is None:
            self._limit = limit_after(self._parity(chosen).seconds)
        replayed = self._with(option, chosen)
        run.records, run.chosen = replayed.records, self._chosen
        if "enable_prefix_caching" in option.settings:
            run.note = f"{replayed.counts.get('cached_tokens', 0)} prompt tokens taken from the cache"
        for _ in range(ROUNDS):
            plain = self._parity(self._timed)
            run.ratios.append(plain.seconds / self._with(option, self._timed).seconds)

    def _parity(self, rollouts: Sequence[Rollout]) -> Replayed:
        return self._replay(rollouts, {}, {})

    def _with(self, option: Option, rollouts: Sequence[Rollout]) -> Replayed:
        return self._replay(rollouts, option.arguments, option.flips)

    def _replay(
        self, rollouts: Sequence[Rollout], arguments: dict[str, Any], flips: Mapping[str, Any]
    ) -> Replayed:
        seconds = WORK_SECONDS if self._limit is None else self._limit

        def force(process: EngineProcess, slot: str) -> list[ReplayRecord]:
            return process.force(
                ARM, self._prompts, rollouts, self._sampling, slot=slot, top=0, seconds=seconds
            )

        under = {**parity_flips(self._settings), **flips}
        return self._engine.replay(force, arguments=arguments, flips=under)


def speedup(ratios: Sequence[float]) -> Estimate:
    """Geometric mean of paired ratios with its 95% interval (Student's t on their logarithms)."""
    if not ratios:
        return Estimate(1.0)
    logs = [math.log(ratio) for ratio in ratios]
    count = len(logs)
    mean = sum(logs) / count
    if count == 1:
        return Estimate(math.exp(mean))
    spread = math.sqrt(sum((log - mean) ** 2 for log in logs) / (count - 1))
    half = student_t_quantile(0.975, count - 1) * spread / math.sqrt(count)
    return Estimate(math.exp(mean), math.exp(mean - half), math.exp(mean + half))
