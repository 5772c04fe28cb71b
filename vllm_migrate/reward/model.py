"""A reward model as a `Scorer`: a Hugging Face sequence classifier, scored by transformers and the engines.

Transformers' logits are the reward, as in TRL's trainers. It runs in an engine's own environment, which has
torch; ours has none. Where V0 or V1 are named, their pooling engines score the samples as well, so that the
probe `engines` can say what moving from one to the other does. At most one process runs at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from vllm_migrate.engines.client import EngineClient
from vllm_migrate.errors import InputError, RewardError, UsageError
from vllm_migrate.reward import served as by
from vllm_migrate.reward.outcome import ScoredBy
from vllm_migrate.reward.sample import Score
from vllm_migrate.reward.served import Served
from vllm_migrate.workers.score_protocol import POOLING_V0, POOLING_V1, TRANSFORMERS, ScoreRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from typing_extensions import Self

    from vllm_migrate.engines.environment import EngineEnvironment
    from vllm_migrate.reward.sample import Sample
    from vllm_migrate.workers.protocol import Loaded
    from vllm_migrate.workers.score_protocol import ScoreRecord

BATCH = 32
_FIRST = 32  # samples that are also scored one at a time
_KEPT = 100_000  # scores that are remembered


@dataclass(frozen=True, slots=True)
class ModelTaken:
    """For what the model was taken.

    Attributes:
        loaded: what came up in transformers.
        said: in words.
    """

    loaded: Loaded
    said: tuple[str, ...]


@dataclass
class ModelScorer:
    """Asks a reward model in a process of its own, which is kept until `close`.

    What is asked without a batch size is remembered: a model in evaluation mode says the same again, and the
    probe `determinism`, which asks with one, sees to it that it does.

    Attributes:
        directory: of the checkpoint.
        environment: an engine in whose environment transformers runs.
        label: index of the label whose value is the reward; may be left out where there is one label only.
        v0, v1: engines that score the samples, too.
        v0_args, v1_args: keyword arguments for their `LLM(...)`.
        batch: texts a call where nothing else is asked for.
        dtype: transformers computes in: "auto" for the checkpoint's own.
    """

    directory: Path
    environment: EngineEnvironment
    label: int | None = None
    v0: EngineEnvironment | None = None
    v1: EngineEnvironment | None = None
    v0_args: Mapping[str, Any] = field(default_factory=dict)
    v1_args: Mapping[str, Any] = field(default_factory=dict)
    batch: int = BATCH
    dtype: str = "auto"
    kind: str = field(default="model", init=False)
    _too_long: int = field(default=0, init=False, repr=False)
    _client: EngineClient | None = field(default=None, init=False, repr=False)
    _taken: ModelTaken | None = field(default=None, init=False, repr=False)
    _known: dict[tuple[str, str], Score] = field(default_factory=dict, init=False, repr=False)
    _served: tuple[Served, ...] | None = field(default=None, init=False, repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> ModelTaken:
        """Load the model, and say what it was taken for.

        Raises:
            InputError: the directory holds no reward model.
            UsageError: it has several labels, and none was named.
            EngineError: transformers can't load it.
        """
        if self._client is not None and self._taken is not None:
            return self._taken
        if not (self.directory / "config.json").is_file():
            raise InputError(f"no model at {self.directory}: config.json is missing")
        self._client = EngineClient(self.environment, name="transformers")
        loaded = self._client.load(self.directory, {"dtype": self.dtype}, kind=TRANSFORMERS)
        labels = loaded.settings["labels"]
        if self.label is None and len(labels) > 1:
            said = ", ".join(f"{index} {name}" for index, name in enumerate(labels))
            raise UsageError(f"the model has {len(labels)} labels: {said}", hint="name one with --label")
        if self.label is not None and not 0 <= self.label < len(labels):
            raise UsageError(f"there is no label {self.label}: the model has {len(labels)}")
        self._taken = ModelTaken(loaded, self._said(loaded))
        return self._taken

    def _said(self, loaded: Loaded) -> tuple[str, ...]:
        template = "with its chat template" if loaded.settings["chat_template"] else "without a chat template"
        name = loaded.settings["labels"][self.label or 0]
        dtype, kind = loaded.settings["dtype"], loaded.engine_class.rpartition(".")[2]
        return (f"{kind}, label {name}, in {dtype} by transformers {loaded.version}, {template}",)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left without a reward, in words."""
        if not self._too_long:
            return ()
        return (f"texts that the model can't read have no reward: the longest has {self._too_long} tokens",)

    def close(self) -> None:
        """End the process."""
        if self._client is not None:
            self._client.close()
        self._client = None

    def score(
        self, samples: Sequence[Sample], *, batch: int | None = None, fresh: bool = False
    ) -> list[Score]:
        """As `bench.Scorer.score`."""
        if fresh:
            self.close()
        if fresh or batch is not None:
            return self._ask(samples, batch or self.batch)
        keys = [_key(sample) for sample in samples]
        new = {key: sample for key, sample in zip(keys, samples, strict=True) if key not in self._known}
        if len(self._known) + len(new) > _KEPT:
            self._known.clear()
            new = dict(zip(keys, samples, strict=True))
        self._known.update(zip(new, self._ask(list(new.values()), self.batch), strict=True))
        return [self._known[key] for key in keys]

    def served(self, samples: Sequence[Sample]) -> tuple[Served, ...]:
        """The samples' rewards by transformers and by each engine that was named, in several ways of asking.

        Asked once; empty where no engine was named.
        """
        if self._served is None:
            self._served = self._by_engines(samples) if self.v0 or self.v1 else ()
        return self._served

    def scored_by(self) -> tuple[ScoredBy, ...]:
        """What `served` found, for the reports."""
        return tuple(
            ScoredBy(one.server, tuple(None if np.isnan(value) else float(value) for value in one.rewards))
            for one in self._served or ()
            if one.way == by.DEFAULT
        )

    def _ask(self, samples: Sequence[Sample], batch: int) -> list[Score]:
        if not samples:
            return []
        self.open()
        if self._client is None:
            raise RewardError("the reward model's process is gone")
        records = self._client.score(_request(samples, batch))
        return [self._score(record) for record in records]

    def _score(self, record: ScoreRecord) -> Score:
        """A text that is too long for the model has no reward, which is no fault of the model's."""
        if record.too_long:
            self._too_long = max(self._too_long, record.tokens)
            return Score(None)
        if record.fault:
            return Score(None, record.fault)
        return Score(record.values[self.label or 0])

    def _by_engines(self, samples: Sequence[Sample]) -> tuple[Served, ...]:
        loaded = self.open().loaded
        if self._client is None:
            raise RewardError("the reward model's process is gone")
        name = f"transformers {loaded.version}"
        found = [
            self._one(self._client, by.REFERENCE, name, way, loaded=loaded, request=request)
            for way, request in (
                (by.DEFAULT, _request(samples, self.batch)),
                (by.ALONE, _request(samples[:_FIRST], 1)),
                (by.LEFT, _request(samples, self.batch, padding="left")),
            )
        ]
        self.close()  # one model in memory at a time
        dtype = ""
        if self.v0 is not None:
            found += self._by_v0(self.v0, samples)
            dtype = str(found[-1].settings["dtype"])
        if self.v1 is not None:
            found += self._by_v1(self.v1, samples, dtype)
        return tuple(found)

    def _by_v0(self, engine: EngineEnvironment, samples: Sequence[Sample]) -> list[Served]:
        with EngineClient(engine) as client:
            loaded = client.load(self.directory, self.v0_args, kind=POOLING_V0)
            return self._ways(client, by.V0, f"V0 {loaded.version}", loaded, samples)

    def _by_v1(self, engine: EngineEnvironment, samples: Sequence[Sample], dtype: str) -> list[Served]:
        """V1 as asked for; then in V0's dtype, and with its head in that dtype, where those differ."""
        with EngineClient(engine) as client:
            loaded = client.load(self.directory, self.v1_args, kind=POOLING_V1)
            name = f"V1 {loaded.version}"
            found = self._ways(client, by.V1, name, loaded, samples)
            bare = _request(samples, self.batch, activation=False)
            arguments = dict(self.v1_args)
            if dtype and loaded.settings["dtype"] != dtype:
                arguments["dtype"] = dtype
                loaded = client.load(self.directory, arguments, kind=POOLING_V1, slot=by.DTYPE)
                found.append(
                    self._one(client, by.V1, name, by.DTYPE, loaded=loaded, request=bare, slot=by.DTYPE)
                )
            if loaded.settings["head_dtype"] != loaded.settings["dtype"]:
                overrides = arguments.get("hf_overrides") or {}
                arguments["hf_overrides"] = {**overrides, "head_dtype": "model"}
                loaded = client.load(self.directory, arguments, kind=POOLING_V1, slot=by.HEAD)
                found.append(
                    self._one(client, by.V1, name, by.HEAD, loaded=loaded, request=bare, slot=by.HEAD)
                )
            return found

    def _ways(
        self, client: EngineClient, side: str, name: str, loaded: Loaded, samples: Sequence[Sample]
    ) -> list[Served]:
        requests = [
            (by.DEFAULT, _request(samples, self.batch)),
            (by.ALONE, _request(samples[:_FIRST], 1)),
        ]
        if loaded.settings["activation"] != "none":
            requests.append((by.BARE, _request(samples, self.batch, activation=False)))
        return [
            self._one(client, side, name, way, loaded=loaded, request=request) for way, request in requests
        ]

    def _one(
        self,
        client: EngineClient,
        side: str,
        name: str,
        way: str,
        *,
        loaded: Loaded,
        request: ScoreRequest,
        slot: str = "main",
    ) -> Served:
        records = client.score(request, slot=slot)
        rewards = np.array([self._score(record).number for record in records])
        return Served(side, name, way, loaded.settings, rewards, tuple(record.digest for record in records))


def model_scorer(
    directory: Path,
    *,
    v0: str = "",
    v1: str = "",
    transformers: str = "",
    label: int | None = None,
    v0_args: Mapping[str, Any] | None = None,
    v1_args: Mapping[str, Any] | None = None,
    batch: int = BATCH,
) -> ModelScorer:
    """A scorer for the checkpoint in a directory.

    Args:
        directory: with config.json, weights and tokenizer.
        v0: an engine as `engines.registry.require` takes it; "" for none.
        v1: likewise.
        transformers: the engine whose environment transformers runs in; "" for V1's if named, else V0's,
            else the first one that is installed.
        label: index of the label that is the reward.
        v0_args: keyword arguments for V0's `LLM(...)`.
        v1_args: for V1's.
        batch: texts a call.

    Raises:
        ProvisionError: an engine is not installed.
    """
    from vllm_migrate.engines.registry import installed, require  # noqa: PLC0415 - functions need no engine

    engines = {name: require(name) for name in (v0, v1, transformers) if name}
    environment = engines.get(transformers or v1 or v0) or next(iter(reversed(installed())), None)
    return ModelScorer(
        directory,
        environment or require("v1"),
        label=label,
        v0=engines.get(v0),
        v1=engines.get(v1),
        v0_args=v0_args or {},
        v1_args=v1_args or {},
        batch=batch,
    )


def _request(
    samples: Sequence[Sample], batch: int, *, padding: str = "right", activation: bool | None = None
) -> ScoreRequest:
    """Samples as a worker takes them: the conversation with the completion as its answer, else the texts."""
    return ScoreRequest(
        texts=[sample.prompt + sample.completion for sample in samples],
        messages=[
            [*sample.messages, {"role": "assistant", "content": sample.completion}] if sample.messages else []
            for sample in samples
        ],
        batch=batch,
        padding=padding,
        activation=activation,
    )


def _key(sample: Sample) -> tuple[str, str]:
    """What a reward model sees of a sample."""
    return (repr(sample.messages) if sample.messages else sample.prompt, sample.completion)
