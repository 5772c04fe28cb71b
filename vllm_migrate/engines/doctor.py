"""Whether an engine really works: comes up as what it should be, samples, and replays what it sampled."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vllm_migrate.engines import probe_model
from vllm_migrate.engines.client import EngineClient
from vllm_migrate.errors import EngineStartError, VllmMigrateError
from vllm_migrate.workers.protocol import GenerateRequest, Loaded, ReplayRequest, SamplingSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from vllm_migrate.engines.environment import EngineEnvironment

    Progress = Callable[[str], None]

ENGINE_CLASSES = {
    "v0": "vllm.engine.llm_engine.LLMEngine",
    "v1": "vllm.v1.engine.llm_engine.LLMEngine",
}
RUNNERS = {"v0": ("v0",), "v1": ("v1-model-runner", "v2-model-runner")}

PROMPTS = [[3, 1, 4, 1, 5, 9, 2, 6], [2, 7, 1, 8, 2, 8], [1, 6, 1, 8, 0, 3, 3, 9, 8, 8, 7]]
SAMPLING = SamplingSettings(temperature=0.7, top_p=0.9, top_k=50, max_tokens=12, seed=1)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the doctor found.

    Attributes:
        works: it came up as what it should be, sampled, and replayed its own tokens.
        problem: one line where it doesn't work; `hint` what to do.
        loaded: what came up; None where nothing did.
        versions: packages inside the environment.
        replay_equal: share of tokens whose replayed logprob equals, bit for bit, the sampled one. Not
            demanded: on a GPU batches may differ.
        seconds: wall time per stage: "start" (process and load), "generate", "replay".
    """

    engine: str
    works: bool
    problem: str = ""
    hint: str = ""
    loaded: Loaded | None = None
    versions: dict[str, str] = field(default_factory=dict)
    replay_equal: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Stable keys for machine output."""
        loaded = self.loaded
        return {
            "engine": self.engine,
            "works": self.works,
            "problem": self.problem,
            "hint": self.hint,
            "engine_class": loaded.engine_class if loaded else None,
            "runner": loaded.runner if loaded else None,
            "version": loaded.version if loaded else None,
            "settings": loaded.settings if loaded else {},
            "versions": self.versions,
            "replay_equal": self.replay_equal,
            "seconds": self.seconds,
        }


def examine(engine: EngineEnvironment, progress: Progress) -> Diagnosis:
    """Run an engine on a tiny random model. An engine's own faults aren't raised: they are the diagnosis."""
    seconds: dict[str, float] = {}
    versions: dict[str, str] = {}
    try:
        with tempfile.TemporaryDirectory(prefix="vllm-migrate-") as folder:
            probe_model.write(Path(folder))
            progress(f"{engine.name}: starting")
            began = time.monotonic()
            with EngineClient(engine) as client:
                versions = client.hello()["packages"]
                loaded = client.load(folder, {"max_model_len": probe_model.CONTEXT})
                seconds["start"] = time.monotonic() - began
                _check_identity(engine, loaded)
                progress(f"{engine.name}: {loaded.engine_class}, {loaded.runner}; sampling")
                equal = _sample_and_replay(client, seconds)
                client.shutdown()
    except VllmMigrateError as error:
        return Diagnosis(
            engine.name,
            works=False,
            problem=error.message,
            hint=error.hint,
            versions=versions,
            seconds=seconds,
        )
    return Diagnosis(
        engine.name, works=True, loaded=loaded, versions=versions, replay_equal=equal, seconds=seconds
    )


def _check_identity(engine: EngineEnvironment, loaded: Loaded) -> None:
    wanted = ENGINE_CLASSES[engine.generation]
    if loaded.engine_class != wanted or loaded.runner not in RUNNERS[engine.generation]:
        raise EngineStartError(
            f"{engine.name} came up as {loaded.engine_class} with runner {loaded.runner}, not as {wanted}"
        )


def _sample_and_replay(client: EngineClient, seconds: dict[str, float]) -> float:
    began = time.monotonic()
    rollouts = client.generate(GenerateRequest(prompts=PROMPTS, sampling=SAMPLING))
    seconds["generate"] = time.monotonic() - began
    if not all(rollout.token_ids and len(rollout.logprobs) == len(rollout.token_ids) for rollout in rollouts):
        raise EngineStartError(f"{client.name} returned completions without tokens or without logprobs")
    began = time.monotonic()
    replays = client.replay(
        ReplayRequest(
            prompts=[PROMPTS[rollout.prompt] for rollout in rollouts],
            completions=[rollout.token_ids for rollout in rollouts],
            sampling=SAMPLING,
        )
    )
    seconds["replay"] = time.monotonic() - began
    pairs = [
        (sampled, replayed)
        for rollout, replay in zip(rollouts, replays, strict=True)
        for sampled, replayed in zip(rollout.logprobs, replay.logprobs, strict=True)
    ]
    return sum(sampled == replayed for sampled, replayed in pairs) / len(pairs)
