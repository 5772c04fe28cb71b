"""What a report on a reward says of a check, in words that every format shares."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from vllm_migrate.report.numbers import count, estimated, limit, number, plural
from vllm_migrate.reward.outcome import Outcome
from vllm_migrate.statistics.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.reward.outcome import Check, Example, Limits, RewardReport

MARKS = {
    Outcome.PASS: "✓",
    Outcome.WARN: "!",
    Outcome.FAIL: "✕",
    Outcome.NOT_APPLICABLE: "-",
    Outcome.NOT_JUDGED: "?",
    Outcome.OFF: "-",
}
"""An outcome's sign, for those who don't see its colour."""

_COUNTED = {
    Outcome.FAIL: ("fails", "fail"),
    Outcome.WARN: ("warns", "warn"),
    Outcome.PASS: ("passes", "pass"),
    Outcome.NOT_JUDGED: ("was not judged", "were not judged"),
    Outcome.NOT_APPLICABLE: ("does not apply", "do not apply"),
    Outcome.OFF: ("is off", "are off"),
}
JUDGED = (Outcome.FAIL, Outcome.WARN, Outcome.PASS)
FINDINGS = (Outcome.FAIL, Outcome.WARN)


def headline(report: RewardReport) -> str:
    """The sentence at the top."""
    if report.verdict is None:
        return report.message.partition("\n")[0] or "the reward could not be examined"
    if report.verdict is Verdict.FAIL:
        failed = [check.probe for check in report.checks if check.outcome is Outcome.FAIL]
        return f"this reward can't be trusted to train against: {listed(failed)}"
    if report.verdict is Verdict.INCONCLUSIVE:
        return "too little of this reward could be judged"
    warned = [check.probe for check in report.checks if check.outcome is Outcome.WARN]
    return "nothing speaks against this reward" + (f", but look at {listed(warned)}" if warned else "")


def listed(names: list[str], most: int = 5) -> str:
    """Names with commas; those beyond `most` are counted."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def basis(report: RewardReport) -> str:
    """What the report rests on: "240 completions of 60 prompts from rollouts.jsonl"."""
    source = f" from {report.source}" if report.source else ""
    return f"{completions(report.samples)} of {plural(report.prompts, 'prompt')}{source}"


def completions(number_of: int) -> str:
    """`1 completion`, `2,000 completions`."""
    return f"{count(number_of)} completion{'' if number_of == 1 else 's'}"


def tally(report: RewardReport) -> str:
    """How many probes ended as what: "2 fail, 1 warns, 9 pass"."""
    seen = Counter(check.outcome for check in report.checks)
    return ", ".join(f"{seen[one]} {words[seen[one] > 1]}" for one, words in _COUNTED.items() if seen[one])


def unit_of(check: Check) -> str:
    """The unit for `numbers.in_unit`: shares are written as percentages."""
    return "share" if check.unit.startswith("share") else ""


def figure_of(check: Check) -> str:
    """The figure and its interval, "" where nothing was measured."""
    return "" if check.figure is None else estimated(check.figure, unit_of(check))


def limits_of(check: Check, *, short: bool = False) -> str:
    """From where it is a warning and from where a failure, "" where there are no limits."""
    if check.limits is None:
        return ""
    side = {True: ("above", ">"), False: ("below", "<")}[check.limits.above][short]
    pairs = [(name, at) for name, at in _named(check.limits) if at is not None]
    if short:
        return ", ".join(f"{name[0].upper()} {side} {limit(at, unit_of(check))}" for name, at in pairs)
    return ", ".join(f"{name} {side} {limit(at, unit_of(check))}" for name, at in pairs)


def _named(limits: Limits) -> tuple[tuple[str, float | None], ...]:
    return (("warn", limits.warn), ("fail", limits.fail))


def over(check: Check) -> str:
    """What the figure is and how much it is over: "share of rewards at the ceiling, 240 rewards"."""
    said = [check.unit, f"{count(check.count)} {check.counted}" if check.count else ""]
    return ", ".join(part for part in said if part)


def change_of(example: Example) -> str:
    """What a change did to the reward: "0.2 → 0.9"; "" where neither is known."""
    if example.before is None and example.after is None:
        return ""
    if example.before is None:
        return reward_of(example.after)
    return f"{reward_of(example.before)} → {reward_of(example.after)}"


def telling(examples: Sequence[Example], most: int) -> list[Example]:
    """At most `most` of the examples: one of every change before a second of any, and no text twice."""
    seen: Counter[str] = Counter()
    ranked = []
    for place, example in enumerate(examples):
        if any(
            (one.change, one.completion) == (example.change, example.completion) for one in examples[:place]
        ):
            continue
        ranked.append((seen[example.change], place))
        seen[example.change] += 1
    return [examples[place] for _, place in sorted(ranked)[:most]]


def reward_of(value: float | None) -> str:
    """A reward as it stands beside a text."""
    return "none" if value is None else number(value) if value else "0"


def in_order(report: RewardReport, *outcomes: Outcome) -> list[Check]:
    """Checks that ended so, by `outcomes` first and as they were asked second."""
    return [check for outcome in outcomes for check in report.checks if check.outcome is outcome]
