"""The candidate's figures beyond its checks: diagnostics, bands, and the shift of every prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vllm_migrate.audit.evidence import flat, prompts_of, reported
from vllm_migrate.audit.figures.bands import measure_bands, measure_prompts
from vllm_migrate.audit.figures.diagnostics import (
    conclude_diagnostics,
    of_rollouts,
    of_tokens,
    of_top,
    top_of,
)
from vllm_migrate.audit.figures.greedy import of_greedy
from vllm_migrate.audit.figures.strata import measure_strata

if TYPE_CHECKING:
    from vllm_migrate.audit.decide.thresholds import Thresholds
    from vllm_migrate.audit.evidence import EngineRun
    from vllm_migrate.audit.sections import Band, Diagnostic, PromptShift
    from vllm_migrate.trace.model import Trace


class Figures(NamedTuple):
    """As the result holds them."""

    diagnostics: tuple[Diagnostic, ...] = ()
    bands: tuple[Band, ...] = ()
    forest: tuple[PromptShift, ...] = ()


def candidate_figures(
    trace: Trace, candidate: EngineRun | None, thresholds: Thresholds, *, seed: int = 0
) -> Figures:
    """The figures of a candidate over the reference's tokens, and of its own completions against them."""
    rollouts = trace.rollouts
    if candidate is None or not rollouts or len(candidate.replay) != len(rollouts):
        return Figures()
    sampler = flat(rollout.logprobs for rollout in rollouts)
    other = reported(candidate.replay)
    prompts = prompts_of(rollouts)
    lengths = [len(rollout.token_ids) for rollout in rollouts]
    measured = [
        *of_tokens(sampler, other, prompts, seed=seed),
        *of_top(*top_of(rollouts, candidate.replay), seed=seed),
        *of_rollouts(rollouts, candidate.rollouts, seed=seed),
        *of_greedy(trace.greedy, candidate.greedy, seed=seed),
    ]
    return Figures(
        conclude_diagnostics(measured, thresholds.diagnostics),
        (
            *measure_bands(sampler, other, prompts, lengths, seed=seed),
            *measure_strata(sampler, other, prompts, trace.prompts, seed=seed),
        ),
        measure_prompts(sampler, other, [rollout.prompt for rollout in rollouts], lengths),
    )
