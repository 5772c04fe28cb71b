"""The sampling profile and the objective that user code trains with, as options of the audit's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.audit.code.settings import why_not
from vllm_migrate.audit.code.taken import Fate, Setting
from vllm_migrate.resolve.flow.values import Scalar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vllm_migrate.audit.code.settings import Given
    from vllm_migrate.resolve.flow.values import Place

# What SamplingParams calls them, and the audit's option for it.
OPTIONS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "repetition_penalty": "repetition_penalty",
    "max_tokens": "max_tokens",
}
IN_SETTINGS = {
    **{name: name for name in OPTIONS},
    "n": "n",
    "max_new_tokens": "max_tokens",
    "max_response_length": "max_tokens",
    "response_length": "max_tokens",
}
"""The same in mappings of settings that hold an engine's, too, such as verl's `rollout`."""

_NEUTRAL: dict[str, tuple[object, ...]] = {
    "presence_penalty": (0, 0.0, None),
    "frequency_penalty": (0, 0.0, None),
    "logit_bias": (None, {}),
    "bad_words": (None, []),
    "allowed_token_ids": (None,),
    "min_tokens": (0, 1, None),
    "ignore_eos": (False, None),
    "guided_decoding": (None,),
    "structured_outputs": (None,),
    "logits_processors": (None, []),
    "stop": (None, [], ""),
    "stop_token_ids": (None, []),
    "best_of": (None,),
}
"""What changes which tokens are drawn and the audit can't replay with, and the values that change nothing."""

MOST_TOKENS = 512
"""Completions longer than this are cut: the audit's cost grows with them, what a logprob means doesn't."""


def profile(given: Iterable[Given]) -> Iterator[Setting]:
    """A setting for each sampling parameter that concerns the audit."""
    for name, value, written, at in given:
        place = value.place
        option = OPTIONS.get(name, "")
        if not name:
            yield Setting("sampling", name, Fate.UNRESOLVED, None, written, place, at, note=why_not(value))
        elif name == "n":
            yield Setting("sampling", name, Fate.PLACE, None, written, place, at, note="--samples decides")
        elif not isinstance(value, Scalar):
            if option or name in _NEUTRAL:
                yield Setting(
                    "sampling", name, Fate.UNRESOLVED, None, written, place, at, option, why_not(value)
                )
        elif option:
            yield _taken(name, value, written, at)
        elif name in _NEUTRAL and value.value not in _NEUTRAL[name] and name != "best_of":
            yield Setting("sampling", name, Fate.UNSUPPORTED, value.value, written, place, at)


def _taken(name: str, value: Scalar, written: str, at: Place) -> Setting:
    option = OPTIONS[name]
    number = value.value
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        if number is None and name == "top_k":
            return Setting("sampling", name, Fate.TAKEN, -1, written, value.place, at, option)
        return Setting("sampling", name, Fate.UNRESOLVED, None, written, value.place, at, option,
                       f"{number!r} is no number")  # fmt: skip
    if name == "temperature" and number == 0:
        return Setting("sampling", name, Fate.UNSUPPORTED, number, written, value.place, at,
                       note="greedy decoding has no ratio to audit")  # fmt: skip
    if name in ("top_k", "max_tokens"):
        number = int(number)
    note = ""
    if name == "max_tokens" and number > MOST_TOKENS:
        note = f"{number}, cut to {MOST_TOKENS}: --max-tokens gives more"
        number = MOST_TOKENS
    return Setting("sampling", name, Fate.TAKEN, number, written, value.place, at, option, note)
