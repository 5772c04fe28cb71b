"""What the servers of a reward model have in common: text to token ids, batches, faults of single texts."""

from __future__ import annotations

import hashlib
import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from .backend import Backend, WorkerError
from .score_protocol import ScoreRecord, ScoreRequest

if TYPE_CHECKING:
    from .backend import Progress
    from .protocol import GenerateRequest, ReplayRecord, ReplayRequest, RolloutRecord


class ScoringBackend(Backend):
    """A sequence classifier, served."""

    @abstractmethod
    def longest(self) -> int:
        """Tokens that a text may have."""

    @abstractmethod
    def score_batch(self, batch: list[list[int]], request: ScoreRequest) -> list[list[float]]:
        """Values of every label for each of these token ids."""

    def score(self, request: ScoreRequest, progress: Progress) -> list[ScoreRecord]:
        """One record a text, in their order. A text that can't be read has a fault; the rest is scored."""
        records: list[ScoreRecord | None] = []
        ids = []
        for text, messages in zip(
            request.texts, request.messages or [[] for _ in request.texts], strict=True
        ):
            found, fault = self._ids(text, messages)
            ids.append(found)
            too_long = len(found) > self.longest()
            records.append(ScoreRecord([], len(found), fault=fault, too_long=too_long) if fault else None)
        open_ = [index for index, record in enumerate(records) if record is None]
        for start in range(0, len(open_), request.batch):
            places = open_[start : start + request.batch]
            for place, values in zip(
                places, self.score_batch([ids[place] for place in places], request), strict=True
            ):
                records[place] = _record(values, ids[place])
            progress(start + len(places), len(open_))
        return [record for record in records if record is not None]

    def generate(self, request: GenerateRequest, progress: Progress) -> list[RolloutRecord]:
        """Refused."""
        del request, progress
        raise WorkerError("unsupported", "a reward model scores texts, it does not sample them")

    def replay(self, request: ReplayRequest, progress: Progress) -> list[ReplayRecord]:
        """Refused."""
        del request, progress
        raise WorkerError("unsupported", "a reward model scores texts, it has no logprobs")

    def _ids(self, text: str, messages: list[dict[str, Any]]) -> tuple[list[int], str]:
        """Token ids, and what is wrong with them."""
        tokenizer = self.tokenizer()
        if messages and getattr(tokenizer, "chat_template", None):
            try:
                text = tokenizer.apply_chat_template(messages, tokenize=False)
            except Exception as error:  # noqa: BLE001 - a template is a program of its author's
                why = (str(error).strip().splitlines() or [type(error).__name__])[0]
                return [], f"the chat template refuses it: {why}"
            ids = list(tokenizer(text, add_special_tokens=False)["input_ids"])
        else:
            ids = list(tokenizer(text)["input_ids"])
        if not ids:
            return [], "has no tokens"
        if len(ids) > self.longest():
            return ids, f"is {len(ids)} tokens long, and the model reads {self.longest()}"
        return ids, ""


def _record(values: list[float], ids: list[int]) -> ScoreRecord:
    """A record of finite values; others are a fault, which JSON could not carry."""
    digest = hashlib.blake2b(repr(ids).encode(), digest_size=8).hexdigest()
    bad = [value for value in values if not math.isfinite(value)]
    if bad:
        return ScoreRecord([], len(ids), digest, f"returned {bad[0]}")
    return ScoreRecord(values, len(ids), digest)
