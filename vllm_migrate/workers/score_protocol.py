"""The wire protocol's part for reward models: sequence classifiers that score whole texts.

`LoadRequest.kind` says what serves the checkpoint: one of `KINDS`. This module runs in the oldest engine's
Python and in ours: standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SCORE = "score"  # ScoreRequest -> {"scores": [ScoreRecord]}

TRANSFORMERS, POOLING_V0, POOLING_V1 = "scorer-transformers", "scorer-v0", "scorer-v1"
KINDS = (TRANSFORMERS, POOLING_V0, POOLING_V1)


@dataclass
class ScoreRequest:
    """Score texts.

    Attributes:
        texts: to be tokenized as they are, special tokens added.
        messages: one entry a text; a conversation up to the turn that is scored, rendered by the tokenizer's
            chat template in place of the text. Empty where the text counts.
        batch: texts a call.
        padding: "right" or "left"; read by transformers, the engines don't pad.
        activation: whether what the engine puts behind the head (softmax, sigmoid) is applied; None for what
            it does by itself. Transformers applies none.
    """

    texts: list[str]
    messages: list[list[dict[str, Any]]] = field(default_factory=list)
    batch: int = 32
    padding: str = "right"
    activation: bool | None = None


@dataclass
class ScoreRecord:
    """What one text got.

    Attributes:
        values: one a label; empty where there is a fault.
        tokens: how many the text has; `digest` of their ids.
        fault: why there are no values, in words.
        too_long: the fault is that the model does not read so many tokens.
    """

    values: list[float]
    tokens: int = 0
    digest: str = ""
    fault: str = ""
    too_long: bool = False
