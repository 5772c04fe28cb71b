"""What can be asked of an engine, whichever way the requests reach its worker."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vllm_migrate.errors import EngineStartError, ForcedDecodingError
from vllm_migrate.workers import protocol as wire
from vllm_migrate.workers import score_protocol as score_wire
from vllm_migrate.workers import sync_protocol as sync_wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vllm_migrate.engines.environment import EngineEnvironment

START_SECONDS = 120.0
LOAD_SECONDS = 1800.0
WORK_SECONDS = 7200.0
CONTROL_SECONDS = 300.0


class EngineCalls(ABC):
    """One worker's operations. How a request travels is the subclass's affair.

    Attributes:
        engine: which environment. name: what to call it in messages.
    """

    engine: EngineEnvironment
    name: str

    @abstractmethod
    def start(self) -> None:
        """Launch the worker without waiting for it. Calling it again does nothing."""

    @abstractmethod
    def kill(self) -> None:
        """End the worker from another thread: whoever waits for an answer gets `EngineDiedError`."""

    @abstractmethod
    def close(self) -> None:
        """End the worker at once. Nothing of it is left running; calling it again does nothing."""

    @abstractmethod
    def _send(self, operation: str, args: dict[str, Any], slot: str) -> int:
        """Send a request; the number to wait for."""

    @abstractmethod
    def _receive(self, number: int, seconds: float) -> dict[str, Any]:
        """Wait for the answer to a request.

        Raises:
            VllmMigrateError: what the worker answered instead, or what became of it.
        """

    def hello(self) -> dict[str, Any]:
        """Versions inside the environment; imports nothing heavy there."""
        answer = self.call(wire.HELLO, {}, seconds=START_SECONDS)
        if answer.get("protocol") != wire.PROTOCOL_VERSION:
            raise EngineStartError(
                f"{self.name} speaks protocol {answer.get('protocol')}, not {wire.PROTOCOL_VERSION}"
            )
        return answer

    def load(
        self,
        model: str | Path,
        engine_args: Mapping[str, Any] | None = None,
        *,
        kind: str = "",
        harness_args: Mapping[str, Any] | None = None,
        slot: str = wire.MAIN_SLOT,
        seconds: float = LOAD_SECONDS,
    ) -> wire.Loaded:
        """Start the engine on a model.

        Args:
            model: directory of the checkpoint.
            engine_args: keyword arguments for `LLM(...)`, as a user would write them.
            kind: "v0", "v1" or "trainer"; by default the engine's generation.
            harness_args: arguments for a quick start; by default the engine's own. The user's win.
            slot: where to keep it; one process can hold several (an engine and a trainer).
            seconds: how long to wait.

        Raises:
            InputError: no such model.
            EngineStartError: it did not come up.
        """
        number = self.begin_load(model, engine_args, kind=kind, harness_args=harness_args, slot=slot)
        return self.end_load(number, seconds=seconds)

    def begin_load(
        self,
        model: str | Path,
        engine_args: Mapping[str, Any] | None = None,
        *,
        kind: str = "",
        harness_args: Mapping[str, Any] | None = None,
        slot: str = wire.MAIN_SLOT,
    ) -> int:
        """Ask for a load without waiting; `end_load` with the returned number waits."""
        kind = kind or self.engine.generation
        harness = self.engine.harness if harness_args is None else harness_args
        request = wire.LoadRequest(
            kind=kind,
            model=str(Path(model).absolute()),
            engine_args=dict(engine_args or {}),
            harness_args={} if kind == "trainer" else dict(harness),
        )
        return self._send(wire.LOAD, wire.to_wire(request), slot)

    def end_load(self, number: int, *, seconds: float = LOAD_SECONDS) -> wire.Loaded:
        """Wait for a load that was begun."""
        return wire.Loaded(**self._receive(number, seconds))

    def tokenize(self, texts: list[str], *, slot: str = wire.MAIN_SLOT) -> list[list[int]]:
        """Token ids of each text, as the engine makes them for text prompts."""
        answer = self.call(wire.TOKENIZE, {"texts": texts}, seconds=CONTROL_SECONDS, slot=slot)
        ids: list[list[int]] = answer["token_ids"]
        return ids

    def render(
        self, chats: list[dict[str, Any]], *, slot: str = wire.MAIN_SLOT
    ) -> list[tuple[str, list[int]]]:
        """Each conversation as text and token ids, by the tokenizer's own chat template.

        Raises:
            InputError: there is no template, or it does not know what a conversation holds.
        """
        answer = self.call(wire.RENDER, {"chats": chats}, seconds=CONTROL_SECONDS, slot=slot)
        return list(zip(answer["texts"], answer["token_ids"], strict=True))

    def generate(
        self, request: wire.GenerateRequest, *, slot: str = wire.MAIN_SLOT, seconds: float = WORK_SECONDS
    ) -> list[wire.RolloutRecord]:
        """Sample; records ordered by prompt, then sample."""
        answer = self.call(wire.GENERATE, wire.to_wire(request), seconds=seconds, slot=slot)
        return [wire.RolloutRecord(**record) for record in answer["rollouts"]]

    def replay(
        self, request: wire.ReplayRequest, *, slot: str = wire.MAIN_SLOT, seconds: float = WORK_SECONDS
    ) -> list[wire.ReplayRecord]:
        """Force completions; records in the order of the request's sequences.

        Raises:
            ForcedDecodingError: a record's emitted ids aren't the ones that were to be forced.
        """
        answer = self.call(wire.REPLAY, wire.to_wire(request), seconds=seconds, slot=slot)
        records = [wire.ReplayRecord(**record) for record in answer["replays"]]
        for index, (record, wanted) in enumerate(zip(records, request.completions, strict=True)):
            if record.emitted != list(wanted) or len(record.logprobs) != len(wanted):
                raise ForcedDecodingError(f"{self.name} did not follow the forced tokens of sequence {index}")
        return records

    def flip(self, setting: str, value: Any, *, slot: str = wire.MAIN_SLOT) -> dict[str, Any]:
        """Change a setting in the live engine: `{"live": bool, "was": ..., "why": str}`.

        Where `live` is false nothing changed, and only an engine started with the setting will show its
        effect.
        """
        return self.call(wire.FLIP, {"setting": setting, "value": value}, seconds=CONTROL_SECONDS, slot=slot)

    def observe(self, *, slot: str = wire.MAIN_SLOT) -> dict[str, int]:
        """What the scheduler did since this was last asked: its steps, rows, tokens, cached tokens."""
        return self.call(wire.OBSERVE, {}, seconds=CONTROL_SECONDS, slot=slot)

    def reset(self, *, slot: str = wire.MAIN_SLOT) -> bool:
        """Empty the prefix cache; false where the engine refused."""
        return bool(self.call(wire.RESET, {}, seconds=CONTROL_SECONDS, slot=slot)["done"])

    def checksum(self, *, slot: str = wire.MAIN_SLOT, seconds: float = LOAD_SECONDS) -> sync_wire.Checksums:
        """Digests of the weights the engine computes with."""
        return sync_wire.Checksums(**self.call(sync_wire.CHECKSUM, {}, seconds=seconds, slot=slot))

    def update(
        self, request: sync_wire.UpdateRequest, *, slot: str = wire.MAIN_SLOT, seconds: float = LOAD_SECONDS
    ) -> sync_wire.UpdateReport:
        """Bring another checkpoint's weights into the live engine, while nothing runs."""
        answer = self.call(sync_wire.UPDATE, wire.to_wire(request), seconds=seconds, slot=slot)
        return sync_wire.UpdateReport(**answer)

    def sync_replay(
        self,
        request: sync_wire.SyncReplayRequest,
        *,
        slot: str = wire.MAIN_SLOT,
        seconds: float = WORK_SECONDS,
    ) -> tuple[list[sync_wire.SyncRecord], sync_wire.UpdateReport | None]:
        """Force sequences with the prefix cache under control, an update in flight where one is asked for."""
        answer = self.call(sync_wire.SYNC_REPLAY, wire.to_wire(request), seconds=seconds, slot=slot)
        update = answer["update"]
        return (
            [sync_wire.SyncRecord(**record) for record in answer["records"]],
            None if update is None else sync_wire.UpdateReport(**update),
        )

    def score(
        self,
        request: score_wire.ScoreRequest,
        *,
        slot: str = wire.MAIN_SLOT,
        seconds: float = WORK_SECONDS,
    ) -> list[score_wire.ScoreRecord]:
        """Score texts with a reward model; records in the order of the texts."""
        answer = self.call(score_wire.SCORE, wire.to_wire(request), seconds=seconds, slot=slot)
        return [score_wire.ScoreRecord(**record) for record in answer["scores"]]

    def call(
        self, operation: str, args: dict[str, Any], *, seconds: float, slot: str = wire.MAIN_SLOT
    ) -> dict[str, Any]:
        """One operation by its name on the wire: its arguments and its answer as they travel."""
        return self._receive(self._send(operation, args, slot), seconds)
