"""Further completions of the same prompts, put beside those that were there.

Every list stays in the order of its prompts, which the sums over them rely on; a prompt's new completions
follow its old ones and are numbered on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from vllm_migrate.trace.seal import resealed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.audit.evidence import EngineRun, Evidence
    from vllm_migrate.trace.model import Rollout, Trace

    T = TypeVar("T")


def with_samples(one: Evidence, two: Evidence) -> Evidence:
    """Evidence over the completions of both, which are of the same prompts; what explains is the first's."""
    main = _order(one.trace.rollouts, two.trace.rollouts)
    probe = _order(one.trace.probe, two.trace.probe)
    arms = {
        name: _run(run, two.arms[name], main, probe) for name, run in one.arms.items() if name in two.arms
    }
    trace = resealed(_trace(one.trace, two.trace, main, probe))
    return replace(one, trace=trace, arms=arms, timing=seconds_of(one, two), ladder=None)


def seconds_of(one: Evidence, two: Evidence) -> dict[str, float]:
    """Seconds by stage of both together."""
    timing = dict(one.timing)
    for stage, seconds in two.timing.items():
        timing[stage] = round(timing.get(stage, 0.0) + seconds, 3)
    return timing


def _trace(one: Trace, two: Trace, main: Sequence[int], probe: Sequence[int]) -> Trace:
    made = replace(one.provenance, samples=one.provenance.samples + two.provenance.samples)
    return replace(
        one,
        provenance=made,
        rollouts=tuple(_both(one.rollouts, _numbered(one.rollouts, two.rollouts), main)),
        noise_floor=tuple(_both(one.noise_floor, two.noise_floor, main)),
        probe=tuple(_both(one.probe, _numbered(one.probe, two.probe), probe)),
        probe_noise_floor=tuple(_both(one.probe_noise_floor, two.probe_noise_floor, probe)),
    )


def _run(one: EngineRun, two: EngineRun, main: Sequence[int], probe: Sequence[int]) -> EngineRun:
    """Both runs' records; those of the reference's tokens in its order, the others in that of their own."""
    own = _order(one.rollouts, two.rollouts)
    own_probe = _order(one.probe_rollouts, two.probe_rollouts)
    return replace(
        one,
        replay=_both(one.replay, two.replay, main),
        probe=_both(one.probe, two.probe, probe),
        rollouts=tuple(_both(one.rollouts, _numbered(one.rollouts, two.rollouts), own)),
        rewards=_both(one.rewards, two.rewards, own),
        trainer=_both(one.trainer, two.trainer, own),
        trainer_probe=_both(one.trainer_probe, two.trainer_probe, own_probe or probe),
        probe_rollouts=tuple(
            _both(one.probe_rollouts, _numbered(one.probe_rollouts, two.probe_rollouts), own_probe)
        ),
        prompt_scores=_both(one.prompt_scores, two.prompt_scores, main),
    )


def _order(one: Sequence[Rollout], two: Sequence[Rollout]) -> list[int]:
    """Positions in both, end to end, by prompt; a prompt's completions in the first come first."""
    prompts = [rollout.prompt for rollout in (*one, *two)]
    return sorted(range(len(prompts)), key=prompts.__getitem__)


def _both(one: Sequence[T], two: Sequence[T], order: Sequence[int]) -> list[T]:
    """What belongs to the completions of both in this order; nothing where either lacks any of it."""
    found = [*one, *two]
    return [found[index] for index in order] if len(found) == len(order) else []


def _numbered(one: Sequence[Rollout], two: Sequence[Rollout]) -> list[Rollout]:
    """The second's completions, numbered on from the first's."""
    before = 1 + max((rollout.sample for rollout in one), default=-1)
    return [replace(rollout, sample=rollout.sample + before) for rollout in two]
