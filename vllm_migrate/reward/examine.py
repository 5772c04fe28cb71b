"""Asks a reward every question, and draws the conclusion."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from vllm_migrate.reward.bench import Bench
from vllm_migrate.reward.explain.curve import length_curve
from vllm_migrate.reward.limits import shipped_limits
from vllm_migrate.reward.outcome import Check, Outcome, RewardReport
from vllm_migrate.reward.probes.determinism import is_relative
from vllm_migrate.reward.registry import all_probes, selected
from vllm_migrate.reward.scorer import BoundedScorer, ServedScorer
from vllm_migrate.statistics.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vllm_migrate.reward.bench import Probe
    from vllm_migrate.reward.outcome import Limits
    from vllm_migrate.reward.sample import Sample
    from vllm_migrate.reward.scorer import Scorer

    Progress = Callable[[str, int, int], None]

CONTRACT, DETERMINISM = "contract", "determinism"
OF_ANY_REWARD = frozenset((CONTRACT, DETERMINISM, "engines", "saturation", "groups", "resolution", "leakage"))
"""Probes that put no changed text to the reward: they hold where it is relative to its batch, too."""

_RELATIVE = "the reward of a text depends on its batch: what changing the text does to it can't be told"


def examine(
    scorer: Scorer,
    samples: Sequence[Sample],
    *,
    reward: str,
    kind: str = "function",
    source: str = "",
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    limits: dict[str, Limits] | None = None,
    seed: int = 0,
    most: int = 64,
    progress: Progress | None = None,
) -> RewardReport:
    """The report on one reward.

    Args:
        scorer: the reward.
        samples: completions of one prompt beside each other.
        reward: how reports name it.
        kind: "function", "weighted sum" or "model".
        source: where the samples are from, in words.
        select: names of the probes to ask, all where it is empty.
        ignore: names of those to leave out.
        limits: by name of the probe; the shipped ones if None.
        seed: of whatever is drawn.
        most: samples that a probe which multiplies them starts from.
        progress: told the probe's name, how many are done, and how many there are.

    Raises:
        RewardError: the reward can't be asked at all.
        UsageError: there is no probe of a name.
    """
    wanted = selected(select, ignore)
    begun = time.monotonic()
    bench = Bench(
        samples=samples,
        scores=scorer.score(samples),
        scorer=scorer,
        limits=shipped_limits() if limits is None else limits,
        seed=seed,
        most=most,
        model=kind == "model",
        ignored=frozenset(ignore),
    )
    probes = all_probes()
    checks: list[Check] = []
    relative: bool | None = None
    for done, probe in enumerate(probes):
        if progress is not None:
            progress(probe.name, done, len(probes))
        if probe.name not in wanted:
            checks.append(Check(probe.name, Outcome.OFF, "not asked for"))
            continue
        started = time.monotonic()
        free = probe.name in OF_ANY_REWARD
        if relative is None and not free:
            relative = is_relative(
                bench, next((c for c in checks if c.probe == DETERMINISM and c.parts), None)
            )
        check = (
            Check(probe.name, Outcome.NOT_JUDGED, _RELATIVE)
            if relative and not free
            else _asked(probe, bench)
        )
        checks.append(replace(check, seconds=time.monotonic() - started))
    verdict, reason = conclude(checks)
    if verdict is Verdict.PASS and exhausted(scorer):
        verdict, reason = Verdict.INCONCLUSIVE, "not-judged"
    return RewardReport(
        reward=reward,
        kind=kind,
        verdict=verdict,
        reason=reason,
        samples=len(samples),
        prompts=len({sample.group for sample in samples}),
        source=source,
        checks=tuple(checks),
        rewards=tuple(score.value for score in bench.scores),
        curve=length_curve(samples, bench.values),
        engines=scorer.scored_by() if isinstance(scorer, ServedScorer) else (),
        seconds=time.monotonic() - begun,
    )


def exhausted(scorer: Scorer) -> str:
    """Why a scorer asks nothing more, "" where it still does."""
    return scorer.exhausted if isinstance(scorer, BoundedScorer) else ""


def _asked(probe: Probe, bench: Bench) -> Check:
    """What a probe says; nothing where time ran out before it or in its middle.

    The contract is always looked at: a text that hangs is what it asks about.
    """
    why = exhausted(bench.scorer)
    if not why or probe.name == CONTRACT:
        check = probe(bench)
        why = exhausted(bench.scorer)
        if not why or (probe.name == CONTRACT and check.outcome is Outcome.FAIL):
            return check
    return Check(probe.name, Outcome.NOT_JUDGED, f"not asked to the end: {why}")


def conclude(checks: Sequence[Check]) -> tuple[Verdict, str]:
    """FAIL where a check failed; INCONCLUSIVE where the contract or everything was left unjudged; else PASS.

    Returns:
        The verdict, and the reason's slug.
    """
    outcomes = [check.outcome for check in checks]
    if Outcome.FAIL in outcomes:
        return Verdict.FAIL, "integrity"
    contract = next((check.outcome for check in checks if check.probe == CONTRACT), Outcome.PASS)
    judged = {Outcome.PASS, Outcome.WARN} & set(outcomes)
    if contract is Outcome.NOT_JUDGED or not judged:
        return Verdict.INCONCLUSIVE, "not-judged"
    return Verdict.PASS, "pass"
