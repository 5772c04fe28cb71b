"""What a probe found out about a reward: a figure, its limits, a word for it, and the worst examples."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vllm_migrate.statistics.verdict import Estimate, Verdict


class Outcome(str, Enum):
    """FAIL and WARN are findings. The last three are no passes.

    NOT_APPLICABLE: the question makes no sense for this reward or these data. NOT_JUDGED: it does, and there
    were too few samples, or the reward could not be asked. OFF: switched off by the user.
    """

    PASS = "pass"  # noqa: S105 - an outcome, no password
    WARN = "warn"
    FAIL = "fail"
    NOT_APPLICABLE = "not applicable"
    NOT_JUDGED = "not judged"
    OFF = "off"

    @property
    def severity(self) -> int:
        """2 of a failure, 1 of a warning, else 0."""
        return 2 if self is Outcome.FAIL else int(self is Outcome.WARN)


@dataclass(frozen=True, slots=True)
class Example:
    """One text that a probe changed, and what that did to its reward.

    Attributes:
        change: what was done, in words: "three blank lines added at the end".
        before, after: the rewards, None where there was none.
        completion: as it was scored after the change, shortened to some hundred characters.
        prompt: shortened likewise.
    """

    change: str
    before: float | None
    after: float | None
    completion: str
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """From where a figure is a warning, and from where a failure.

    Attributes:
        warn, fail: None where there is no such limit. `above` whether large figures are the bad ones.
        source: where they come from; says "judgement" where they are one.
    """

    warn: float | None
    fail: float | None
    above: bool
    source: str

    def judge(self, figure: float) -> Outcome:
        """PASS, WARN or FAIL; a figure that lies on a limit has not crossed it."""

        def crossed(limit: float | None) -> bool:
            return limit is not None and (figure > limit if self.above else figure < limit)

        return Outcome.FAIL if crossed(self.fail) else Outcome.WARN if crossed(self.warn) else Outcome.PASS


@dataclass(frozen=True, slots=True)
class Check:
    """The answer of one probe.

    Attributes:
        probe: its name, as in `select`: "length", "master-keys".
        message: one sentence that says what was seen, with the figure in it.
        figure: None where nothing was measured. `unit` in words: "share of texts", "Spearman's rho".
        count: how many `counted` ("texts", "pairs", "prompts") the figure is over.
        limits: None where nothing was to be held against a limit.
        worst: the examples that speak most against the reward, worst first, at most five.
        parts: figures by family ("pad": 0.02, "trim": 0.4), for the report's table.
        advice: what to do about it; "" where there is nothing to do.
        seconds: wall time.
    """

    probe: str
    outcome: Outcome
    message: str
    figure: Estimate | None = None
    unit: str = ""
    count: int = 0
    counted: str = "texts"
    limits: Limits | None = None
    worst: tuple[Example, ...] = ()
    parts: dict[str, float] = field(default_factory=dict)
    advice: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class LengthCurve:
    """Reward against length: points for the plot, and the spline through them.

    Attributes:
        lengths, rewards: one entry a sample, characters and reward; thinned to at most 2,000.
        fitted_lengths, fitted: the fitted spline on a grid.
    """

    lengths: tuple[float, ...]
    rewards: tuple[float, ...]
    fitted_lengths: tuple[float, ...]
    fitted: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ScoredBy:
    """What one engine said to the samples, where a reward is a model that several engines serve.

    Attributes:
        name: of the engine, as reports call it: "V0 0.8.5".
        rewards: one a sample, None where there was none.
    """

    name: str
    rewards: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class RewardReport:
    """Everything one examination of one reward found.

    Attributes:
        reward: how the user named it. `kind` "function", "weighted sum" or "model".
        verdict: FAIL where any check failed, INCONCLUSIVE where the contract could not be judged, else PASS;
            None where there was nothing to examine (see `reason`, `message`, `hint`).
        reason: "pass", "integrity", "not-judged", or an error's slug.
        samples, prompts: how many; `source` where they are from: "rollouts.jsonl", "made from the answers".
        checks: in the order of the registry.
        rewards: every sample's reward, for the histogram; None where there was none.
        curve: None where lengths or rewards don't vary.
        engines: rewards of the same samples by engine, where several scored them; empty for functions.
        taken: for what the functions were taken, in words, one a function; empty where nothing is to be said.
        seconds: wall time of the whole.
    """

    reward: str
    kind: str
    verdict: Verdict | None
    reason: str
    samples: int = 0
    prompts: int = 0
    source: str = ""
    checks: tuple[Check, ...] = ()
    rewards: tuple[float | None, ...] = ()
    curve: LengthCurve | None = None
    engines: tuple[ScoredBy, ...] = ()
    taken: tuple[str, ...] = ()
    message: str = ""
    hint: str = ""
    seconds: float = 0.0
