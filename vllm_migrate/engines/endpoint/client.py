"""The client of a running server: the calls of an engine's worker, as far as a server can answer them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vllm_migrate.engines.calls import EngineCalls
from vllm_migrate.engines.endpoint.api import FORCED
from vllm_migrate.engines.endpoint.find import api_at
from vllm_migrate.engines.endpoint.seeds import CAREFUL, SENT, UNSENT, WANTED, how_to_seed
from vllm_migrate.errors import EngineDiedError, UsageError
from vllm_migrate.workers import protocol as wire

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vllm_migrate.engines.endpoint.api import ServedApi
    from vllm_migrate.engines.environment import EngineEnvironment

    Progress = Callable[[str, int, int], None]

RUNNER = "endpoint"
"""What stands in a model runner's place: a server does not tell which one it has."""


class EndpointClient(EngineCalls):
    """Asks a server. Starting it only finds out what it speaks; ending it leaves the server as it is.

    Args:
        engine: as `find.endpoint` describes it.
        name: what to call it in messages.
        progress: called with the operation, how many are done and how many there are.
    """

    def __init__(
        self, engine: EngineEnvironment, *, name: str = "", progress: Progress | None = None
    ) -> None:
        self.engine = engine
        self.name = name or engine.name
        self._progress = progress
        self._api: ServedApi = api_at(engine)
        self._seeds = UNSENT
        self._number = 0
        self._asked: dict[int, tuple[str, dict[str, Any]]] = {}

    def start(self) -> None:
        """It runs already."""

    def kill(self) -> None:
        """Break off what is under way; the server runs on."""
        self._api.server.stop()

    def close(self) -> None:
        """As `kill`."""
        self._api.server.stop()

    def _send(self, operation: str, args: dict[str, Any], slot: str) -> int:
        del slot  # a server is one engine
        self._number += 1
        self._asked[self._number] = (operation, args)
        return self._number

    def _receive(self, number: int, seconds: float) -> dict[str, Any]:
        operation, args = self._asked.pop(number)
        if operation == wire.LOAD:
            return self._load(args)
        if operation == wire.TOKENIZE:
            return {"token_ids": self._api.tokenize(args["texts"])}
        if operation == wire.RENDER:
            rendered = self._api.render(args["chats"])
            return {"texts": [text for text, _ in rendered], "token_ids": [ids for _, ids in rendered]}
        if operation == wire.GENERATE:
            return self._generate(args, seconds)
        if operation == wire.REPLAY and args["path"] == "prefill":
            return self._score(args, seconds)
        if operation == wire.REPLAY:
            raise UsageError(f"{self.name}: {FORCED}")
        raise UsageError(f"{self.name}: {operation} is nothing that an engine behind a URL can do")

    def _load(self, args: dict[str, Any]) -> dict[str, Any]:
        if args["engine_args"]:
            raise UsageError(f"{self.name}: engine arguments can't reach a server that runs already")
        started = time.perf_counter()
        served = self._api.served()
        self._seeds = how_to_seed(self.engine.details.get(WANTED, ""), on_gpu=self._api.on_gpu())
        settings = {
            "endpoint": self._api.server.url,
            "device": RUNNER,
            "seeds": self._seeds,
            **served.settings,
        }
        if served.model:
            settings["served_model"] = served.model
        seconds = round(time.perf_counter() - started, 3)
        return wire.to_wire(wire.Loaded(served.kind, RUNNER, served.version, settings, seconds))

    def _generate(self, args: dict[str, Any], seconds: float) -> dict[str, Any]:
        request = wire.GenerateRequest(**{**args, "sampling": wire.SamplingSettings(**args["sampling"])})

        numbers = range(len(request.prompts)) if request.numbers is None else request.numbers
        first = None if self._seeds == UNSENT else request.sampling.seed

        def ask(prompt: int, sample: int, count: int) -> list[dict[str, Any]]:
            seed = None if first is None else first + numbers[prompt] * request.n + sample
            records = self._api.complete(
                request.prompts[prompt],
                replace(request.sampling, seed=seed),
                count,
                seconds=until - time.monotonic(),
            )
            return [
                {**wire.to_wire(record), "prompt": prompt, "sample": sample + record.sample}
                for record in records
            ]

        def one(prompt: int) -> list[dict[str, Any]]:
            if first is None or self._seeds == SENT:
                return ask(prompt, 0, request.n)
            return [record for sample in range(request.n) for record in ask(prompt, sample, 1)]

        until = time.monotonic() + seconds
        at_once = 1 if first is not None and self._seeds == CAREFUL else self._api.at_once
        found = self._each(wire.GENERATE, one, range(len(request.prompts)), at_once)
        return {"rollouts": [record for prompt in found for record in prompt]}

    def _score(self, args: dict[str, Any], seconds: float) -> dict[str, Any]:
        def one(index: int) -> dict[str, Any]:
            prompt, completion = args["prompts"][index], args["completions"][index]
            logprobs = self._api.score(prompt, completion, seconds=until - time.monotonic())
            return wire.to_wire(wire.ReplayRecord(logprobs, [], list(completion)))

        until = time.monotonic() + seconds
        jobs = range(len(args["prompts"]))
        return {"replays": self._each(wire.REPLAY, one, jobs, self._api.at_once)}

    def _each(self, operation: str, do: Callable[[int], Any], jobs: Sequence[int], at_once: int) -> list[Any]:
        """Every job's result in the order of the jobs, so many at once.

        Raises:
            EngineError: the first that failed; the others are broken off.
        """
        found: dict[int, Any] = {}
        with ThreadPoolExecutor(max_workers=at_once) as pool:
            futures = {pool.submit(do, job): job for job in jobs}
            try:
                for future in as_completed(futures):
                    found[futures[future]] = future.result()
                    if self._progress is not None:
                        self._progress(operation, len(found), len(jobs))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self._api.server.stop()
                raise
        if len(found) != len(jobs):
            raise EngineDiedError(f"{self.name} answered {len(found)} of {len(jobs)} requests")
        return [found[job] for job in jobs]
