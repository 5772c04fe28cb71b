"""Takes texts and tokens out of a trace that is to be shared."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vllm_migrate.trace.digest import tokens_digest

if TYPE_CHECKING:
    from vllm_migrate.trace.model import Prompt, Rollout, Trace

NO_TOKEN = -1
"""Stands where a token id was: lengths stay, since every figure is counted by them."""


def redacted(trace: Trace) -> Trace:
    """The trace without texts, messages, columns, token ids and likely tokens.

    What remains: logprobs, rewards, finish reasons, the lengths of prompts and completions, bands of lengths,
    which prompts share a prefix, settings, and digests of the model and of all tokens together.
    """
    provenance = replace(trace.provenance, redacted=True, tokens=tokens_digest(trace))
    return replace(
        trace,
        provenance=provenance,
        prompts=tuple(map(_prompt, trace.prompts)),
        rollouts=tuple(map(_rollout, trace.rollouts)),
        probe=tuple(map(_rollout, trace.probe)),
        free=tuple(map(_rollout, trace.free)),
        greedy=tuple(map(_rollout, trace.greedy)),
    )


def _prompt(prompt: Prompt) -> Prompt:
    return replace(
        prompt,
        text="",
        token_ids=(NO_TOKEN,) * len(prompt.token_ids),
        columns={},
        messages=(),
        template_arguments={},
    )


def _rollout(rollout: Rollout) -> Rollout:
    nothing = (NO_TOKEN,) * len(rollout.token_ids)
    return replace(rollout, text="", token_ids=nothing, top_ids=(), top_logprobs=())
