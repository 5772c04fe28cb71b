"""Which distribution a file's sampling parameters make tokens be drawn from, beside the model's own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.rules.base import Context

_SHAPES = frozenset(
    {
        *("repetition_penalty", "presence_penalty", "frequency_penalty", "logit_bias", "logits_processors"),
        *("guided_decoding", "structured_outputs", "bad_words", "allowed_token_ids"),
    }
)
"""What changes the distribution of greedy sampling. `min_tokens` takes out but the end of a text."""
_NEUTRAL: dict[str, tuple[object, ...]] = {
    "temperature": (1, 1.0),
    "top_p": (1, 1.0),
    "top_k": (-1, 0),
    "min_p": (0, 0.0),
}
"""What leaves the model's own distribution as it is."""
_ASKS_FOR = re.compile(rb"\blogprobs[\"']?\s*[=:]\s*(?!None\b|=)[\w(]")


def draws_nothing(file: FileFacts) -> bool:
    """Whether all sampling in this file is greedy without penalties: V0's log-probabilities are raw, too.

    V0 set the temperature of a greedy request to 1 and its top_p, top_k and min_p to nothing.
    """
    calls = [call for call in file.calls if call.target == "vllm.SamplingParams" and not call.dead]
    return bool(calls) and all(
        not call.open_ended
        and (temperature := call.argument("temperature")) is not None
        and temperature.value.literal in (0, 0.0)
        and not any(argument.name in _SHAPES for argument in call.arguments)
        for call in calls
    )


def asks_at_one(file: FileFacts) -> bool:
    """Whether log-probabilities are only asked for at temperature 1 with nothing cut: both are the same."""
    asking = [
        call
        for call in file.calls
        if call.target == "vllm.SamplingParams" and not call.dead and call.argument("logprobs") is not None
    ]
    changed = any(
        one.assigned and one.owner == "vllm.SamplingParams" and (one.name in _SHAPES or one.name in _NEUTRAL)
        for one in file.attributes
    )
    return (bool(asking) and not changed) and all(
        not call.open_ended
        and not call.positional
        and all(
            argument.name in _NEUTRAL and argument.value.literal in _NEUTRAL[argument.name]
            for argument in call.arguments
            if argument.name in _SHAPES or argument.name in _NEUTRAL
        )
        for call in asking
    )


def ask_others(file: FileFacts, context: Context) -> bool:
    """Whether another file asks for log-probabilities, perhaps of the same engine and in another way."""
    if context.mentions is None:
        return False
    return bool(context.mentions.code_matches(_ASKS_FOR, b"logprobs") - {file.path})


def min_p_and_top_p(file: FileFacts) -> bool:
    """Whether sampling parameters in this file use both."""
    return any(
        (min_p := call.argument("min_p")) is not None
        and min_p.value.literal not in (0, 0.0, None)
        and (top_p := call.argument("top_p")) is not None
        and top_p.value.literal not in (1, 1.0, None)
        for call in file.calls
        if call.target == "vllm.SamplingParams"
    )
