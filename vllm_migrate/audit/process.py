"""One engine process in the service of an audit: the client, with timing and progress by arm."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vllm_migrate.audit.evidence import EngineRun
from vllm_migrate.engines.calls import WORK_SECONDS
from vllm_migrate.engines.client import EngineClient
from vllm_migrate.trace.model import Rollout
from vllm_migrate.workers import protocol as wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from vllm_migrate.engines.environment import EngineEnvironment
    from vllm_migrate.trace.model import Prompt

    Progress = Callable[[str, str, int, int], None]
    """Called with an arm's name, what it does, how much is done, of how much (0: not known)."""

TOP = 20
"""Most likely tokens reported at a position: all that vLLM allows unless `max_logprobs` is raised."""

_DOING = {
    wire.LOAD: "loading",
    wire.GENERATE: "sampling",
    wire.REPLAY: "replaying",
    wire.TOKENIZE: "tokenizing",
}


class EngineProcess:
    """One process; it may hold several engines in slots.

    Attributes:
        loaded: whether an engine has come up in it.

    Args:
        environment: where it runs.
        arm: the arm it starts with; every operation names its own.
        model: directory of the checkpoint.
        progress: told what the arm does.
        timing: seconds by "<arm>.<stage>" are added here.
    """

    def __init__(
        self,
        environment: EngineEnvironment,
        arm: str,
        model: Path,
        progress: Progress,
        timing: dict[str, float],
    ) -> None:
        self.environment = environment
        self._arm = arm
        self._model = model
        self._progress = progress
        self._timing = timing
        self.loaded = False
        self.client = EngineClient(environment, name=arm, progress=self._report)

    def load(self, arm: str, arguments: dict[str, Any], *, slot: str = wire.MAIN_SLOT) -> EngineRun:
        """Start an engine with the user's arguments."""
        with self._stage(arm, "load", wire.LOAD):
            loaded = self.client.load(self._model, arguments, slot=slot)
        self.loaded = True
        return EngineRun(arm, self.environment.name, arguments, loaded)

    def load_trainer(self, arm: str) -> None:
        """Load the checkpoint with transformers, in fp32."""
        with self._stage(arm, "load", wire.LOAD):
            self.client.load(self._model, {"dtype": "float32"}, kind="trainer")
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
        prompts: list[list[int]],
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
            prompts, replace(sampling, seed=seed), n=samples, top=TOP, top_prompts=top_prompts
        )
        with self._stage(arm, "sample", wire.GENERATE):
            records = self.client.generate(request, slot=slot)
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
        with self._stage(arm, "replay", wire.REPLAY):
            return self.client.replay(request, slot=slot, seconds=seconds)

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
