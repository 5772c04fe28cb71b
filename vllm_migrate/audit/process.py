"""An arm's engine in the service of an audit: its replicas, with timing and progress by arm."""

from __future__ import annotations

import time
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from vllm_migrate.audit.evidence import EngineRun
from vllm_migrate.audit.executors.local import LocalExecutor
from vllm_migrate.audit.executors.shards import deal, generated, part_to_generate, part_to_replay, replayed
from vllm_migrate.engines.calls import WORK_SECONDS
from vllm_migrate.errors import EngineStartError
from vllm_migrate.trace.model import Rollout
from vllm_migrate.workers import protocol as wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from vllm_migrate.audit.executors.executor import Executor
    from vllm_migrate.engines.calls import EngineCalls
    from vllm_migrate.engines.environment import EngineEnvironment
    from vllm_migrate.trace.model import Prompt

    Progress = Callable[[str, str, int, int], None]
    """Called with an arm's name, what it does, how much is done, of how much (0: not known)."""

    T = TypeVar("T")

TOP = 20
"""Most likely tokens reported at a position: all that vLLM allows unless `max_logprobs` is raised."""

_DOING = {
    wire.LOAD: "loading",
    wire.GENERATE: "sampling",
    wire.REPLAY: "replaying",
    wire.TOKENIZE: "tokenizing",
}


class EngineProcess:
    """One process, or several replicas of it that share the prompts; each may hold several engines in slots.

    Attributes:
        loaded: whether an engine has come up in it.
        client: of the first replica, which alone does whatever is not sampling or replaying.

    Args:
        environment: where it runs.
        arm: the arm it starts with; every operation names its own.
        model: directory of the checkpoint.
        progress: told what the arm does.
        timing: seconds by "<arm>.<stage>" are added here.
        executor: where it runs, and in how many replicas; by default one on this machine.
    """

    def __init__(
        self,
        environment: EngineEnvironment,
        arm: str,
        model: Path,
        progress: Progress,
        timing: dict[str, float],
        *,
        executor: Executor | None = None,
    ) -> None:
        executor = executor or LocalExecutor()
        self.environment = environment
        self._arm = arm
        self._model = model
        self._progress = progress
        self._timing = timing
        self.loaded = False
        self._done: dict[int, tuple[int, int]] = {}
        self.client, *self._others = [
            executor.client(environment, replica=number, name=arm, report=partial(self._report_of, number))
            for number in range(executor.replicas)
        ]

    @property
    def replicas(self) -> int:
        """How many share the prompts."""
        return len(self._clients)

    @property
    def _clients(self) -> list[EngineCalls]:
        return [self.client, *self._others]

    def start(self) -> None:
        """Launch the first replica without waiting for it; the others start with their first request."""
        self.client.start()

    def kill(self) -> None:
        """End every replica from another thread."""
        for client in self._clients:
            client.kill()

    def close(self) -> None:
        """End every replica; calling it again does nothing."""
        for client in self._clients:
            client.close()

    def narrow(self) -> None:
        """End all replicas but the first: what follows is done in one engine."""
        others, self._others = self._others, []
        for client in others:
            client.close()

    def load(
        self, arm: str, arguments: dict[str, Any], *, slot: str = wire.MAIN_SLOT, kind: str = ""
    ) -> EngineRun:
        """Start an engine with the user's arguments; of another kind than usual where one is given.

        Raises:
            EngineStartError: it did not come up, or came up differently in another replica.
        """
        with self._stage(arm, "load", wire.LOAD):
            loaded = self._each(
                [
                    partial(client.load, self._model, arguments, slot=slot, kind=kind)
                    for client in self._clients
                ]
            )
        _same(arm, loaded)
        self.loaded = True
        return EngineRun(arm, self.environment.name, arguments, loaded[0])

    def load_trainer(self, arm: str) -> None:
        """Load the checkpoint with transformers, in fp32."""
        with self._stage(arm, "load", wire.LOAD):
            self._each(
                [
                    partial(client.load, self._model, {"dtype": "float32"}, kind="trainer")
                    for client in self._clients
                ]
            )
        self.loaded = True

    def tokenize(self, texts: list[str]) -> list[list[int]]:
        """Token ids as this engine makes them."""
        return self.client.tokenize(texts) if texts else []

    def render(self, chats: list[dict[str, Any]]) -> list[tuple[str, list[int]]]:
        """Conversations as this engine's tokenizer renders them: text and token ids."""
        return self.client.render(chats) if chats else []

    def sample(
        self,
        arm: str,
        prompts: Sequence[Prompt],
        sampling: wire.SamplingSettings,
        *,
        samples: int,
        seed: int,
        slot: str = wire.MAIN_SLOT,
        top_prompts: int = 0,
    ) -> tuple[Rollout, ...]:
        """Completions by the engine's own sampler, ordered by prompt, then sample.

        The first sample of the first `top_prompts` prompts brings each position's most likely tokens.
        """
        request = wire.GenerateRequest(
            [list(prompt.token_ids) for prompt in prompts],
            replace(sampling, seed=seed),
            n=samples,
            top=TOP,
            top_prompts=top_prompts,
        )
        shares = deal(prompts, self.replicas)
        with self._stage(arm, "sample", wire.GENERATE):
            parts = self._each(
                [
                    partial(client.generate, part_to_generate(request, share), slot=slot)
                    for client, share in zip(self._clients, shares, strict=False)
                ]
            )
        records = generated(shares, parts)
        return tuple(
            Rollout(
                r.prompt,
                r.sample,
                tuple(r.token_ids),
                tuple(r.logprobs),
                r.text,
                r.finish_reason,
                top_ids=tuple(map(tuple, r.top_ids)),
                top_logprobs=tuple(map(tuple, r.top_logprobs)),
            )
            for r in records
        )

    def force(
        self,
        arm: str,
        prompts: Sequence[Prompt],
        rollouts: Sequence[Rollout],
        sampling: wire.SamplingSettings,
        *,
        slot: str = wire.MAIN_SLOT,
        order: list[int] | None = None,
        max_num_seqs: int = 0,
        min_p_first: bool = True,
        path: str = "decode",
        top: int = TOP,
        seconds: float = WORK_SECONDS,
    ) -> list[wire.ReplayRecord]:
        """What this engine reports for given completions, in their order; arguments as in `ReplayRequest`.

        Where a rollout brings its most likely tokens, so does its record, unless `top` is 0. An engine that
        does not answer within `seconds` is ended.
        """
        request = wire.ReplayRequest(
            prompts=[list(prompts[rollout.prompt].token_ids) for rollout in rollouts],
            completions=[list(rollout.token_ids) for rollout in rollouts],
            sampling=sampling,
            order=order,
            max_num_seqs=max_num_seqs,
            min_p_first=min_p_first,
            path=path,
            top=top,
            top_of=[index for index, rollout in enumerate(rollouts) if rollout.top_ids],
        )
        shares = [
            (client, [index for index, rollout in enumerate(rollouts) if rollout.prompt in mine])
            for client, mine in zip(self._clients, map(set, deal(prompts, self.replicas)), strict=False)
        ]
        shares = [(client, share) for client, share in shares if share]
        with self._stage(arm, "replay", wire.REPLAY):
            parts = self._each(
                [
                    partial(client.replay, part_to_replay(request, share), slot=slot, seconds=seconds)
                    for client, share in shares
                ]
            )
        return replayed([share for _, share in shares], parts)

    def _each(self, calls: Sequence[Callable[[], T]]) -> list[T]:
        """Results of one call a replica, made at the same time. Where one fails, the others are ended."""
        self._done.clear()
        if len(calls) == 1:
            return [calls[0]()]
        with ThreadPoolExecutor(max_workers=max(1, len(calls))) as pool:
            futures = [pool.submit(call) for call in calls]
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            failed = next((future for future in futures if future in done and future.exception()), None)
            if failed is not None:
                self.kill()
        return [future.result() for future in ([failed] if failed is not None else futures)]

    def _report_of(self, replica: int, operation: str, done: int, total: int) -> None:
        """Progress of one replica, told as that of all of them."""
        self._done[replica] = (done, total)
        told = list(self._done.values())
        self._report(operation, sum(done for done, _ in told), sum(total for _, total in told))

    def _report(self, operation: str, done: int, total: int) -> None:
        self._progress(self._arm, _DOING.get(operation, operation), done, total)

    @contextmanager
    def _stage(self, arm: str, stage: str, operation: str) -> Iterator[None]:
        self._arm = arm
        self._report(operation, 0, 0)
        started = time.monotonic()
        try:
            yield
        finally:
            name = f"{arm}.{stage}"
            self._timing[name] = round(self._timing.get(name, 0.0) + time.monotonic() - started, 3)


def _same(arm: str, loaded: Sequence[wire.Loaded]) -> None:
    """Refuse replicas that are not the same engine: what differs between them would pass for an effect."""
    first = loaded[0]
    for other in loaded[1:]:
        differing = [
            name
            for name in ("engine_class", "runner", "version")
            if getattr(first, name) != getattr(other, name)
        ]
        differing += [
            name
            for name in dict.fromkeys((*first.settings, *other.settings))
            if first.settings.get(name) != other.settings.get(name)
        ]
        if differing:
            raise EngineStartError(
                f"the replicas of {arm} came up differently: {', '.join(differing)}",
                hint="give the nodes the same engine and the same kind of device",
            )
