"""Why a candidate differs: suspected from a signature that costs nothing, named after an intervention.

The ladder changes one setting at a time and replays the same tokens. The cause is what removes at least half
of the excess over the noise floor, with an interval above zero; what it leaves is reported, not hidden.
Whatever was tried and removed less than that stands in the ladder and is not named.

Two engines that round in their own ways never agree, whatever is set, and a fault that is not much larger
than that can't remove half of the whole. Of a candidate that fails, the cause may therefore also be what
removes half of the excess over that rounding, for which the reference's own distance to the trainer's float32
forward stands, as it does in the margins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.audit.cause.causes import ABOUT
from vllm_migrate.audit.cause.evidence import IN_REFERENCE
from vllm_migrate.audit.result import Cause
from vllm_migrate.statistics.verdict import Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vllm_migrate.audit.sections import Ladder, Rung

    Floats = NDArray[np.float64]

NAMED_FROM = 0.5  # share of the excess a change must remove
_NOTABLE = 0.2  # share of all the excess without which nothing is named
_NEGLIGIBLE = 1e-3  # nats; below it there is nothing to explain
_CLOSE = 0.1  # the distance to raw must be below this share of the distance to the reference


@dataclass(frozen=True, slots=True)
class Signature:
    """Mean distance of the candidate's reported logprobs to two things they could be, nats."""

    to_raw: float
    to_reference: float
    tokens: int

    @property
    def raw(self) -> bool:
        """Whether the candidate reports raw logprobs where the reference reports something else."""
        return (
            self.tokens > 0 and self.to_reference > _NEGLIGIBLE and self.to_raw < _CLOSE * self.to_reference
        )


def raw_signature(reported: Floats, raw: Floats, reference: Floats) -> Signature:
    """The signature over tokens; infinite values on any side are left out, `tokens` says how many remain."""
    if not len(raw) == len(reported) == len(reference):
        return Signature(np.inf, 0.0, 0)
    finite = np.isfinite(reported) & np.isfinite(raw) & np.isfinite(reference)
    if not finite.any():
        return Signature(np.inf, 0.0, 0)
    reported, raw, reference = reported[finite], raw[finite], reference[finite]
    return Signature(
        float(np.abs(reported - raw).mean()), float(np.abs(reported - reference).mean()), int(finite.sum())
    )


def name_cause(
    ladder: Ladder | None, raw: Signature | None, verdict: Verdict, *, rounding: float = 0.0
) -> tuple[Cause, str]:
    """The cause, and one sentence of evidence with its figures.

    Args:
        ladder: what was tried; None where nothing was.
        raw: the signature of raw logprobs; None where nothing could be tapped.
        verdict: the candidate's. On PASS there is nothing to name; where it is INCONCLUSIVE only a semantic
            cause is named, since those are no matter of degree.
        rounding: mean |d| of the reference from the trainer's float32 forward, nats; 0 where not measured.
    """
    if verdict is Verdict.PASS:
        return Cause.NONE, ""
    rung = main_rung(ladder, rounding if verdict is Verdict.FAIL else 0.0)
    if rung is not None and ladder is not None and (verdict is Verdict.FAIL or rung.layer == "semantic"):
        return Cause(rung.cause), _evidence(rung, ladder, raw, rounding)
    if verdict is not Verdict.FAIL:
        return Cause.NONE, ""
    if raw is not None and raw.raw:
        return Cause.UNEXPLAINED, f"the candidate's logprobs look like raw ones{_best(ladder)}"
    if ladder is None or not ladder.rungs:
        return Cause.UNEXPLAINED, "nothing was changed to find a cause"
    return Cause.UNEXPLAINED, f"none of the {len(ladder.rungs)} changes tried explains it{_best(ladder)}"


def main_rung(ladder: Ladder | None, rounding: float = 0.0) -> Rung | None:
    """The rung that removes most of the excess over the reference, where that is at least half of it.

    Half of what exceeds `rounding` will do, which no change removes.
    """
    found = [rung for rung in (() if ladder is None else ladder.rungs) if _explains(rung, rounding)]
    return max(found, key=lambda rung: rung.removed.value if rung.removed else 0.0, default=None)


def _explains(rung: Rung, rounding: float) -> bool:
    removed = rung.removed
    return (
        removed is not None
        and rung.against != "trainer"
        and removed.low is not None
        and removed.low > 0
        and (removed.value >= NAMED_FROM or _of_what_exceeds(rounding, rung) >= NAMED_FROM)
    )


def _of_what_exceeds(rounding: float, rung: Rung) -> float:
    """Share of what lies above the rounding that a rung removes; 0 where that is too little to name it."""
    if rung.removed is None or rung.removed.value < _NOTABLE or rung.before is None or rung.after is None:
        return 0.0
    above = rung.before - rounding
    return (rung.before - rung.after) / above if above > 0 else 0.0


def _evidence(rung: Rung, ladder: Ladder, raw: Signature | None, rounding: float) -> str:
    removed = rung.removed
    assert removed is not None  # noqa: S101 - for the type checker: `_explains` says so
    setting = ", ".join(f"{name}={value}" for name, value in rung.setting.items())
    done = f"setting {setting} alone"
    if all(name.startswith(IN_REFERENCE) for name in rung.setting):
        done = f"replaying the reference with {setting.replace(IN_REFERENCE, '')}"
    said = f"{ABOUT[Cause(rung.cause)].title[:1].lower()}{ABOUT[Cause(rung.cause)].title[1:]}"
    if rung.cause == Cause.RAW_LOGPROBS.value and raw is not None and raw.raw:
        said = (
            f"the candidate's logprobs are its own raw ones (mean difference {_nats(raw.to_raw)}, against"
            f" {raw.to_reference:.3f} from the reference's)"
        )
    interval = "" if removed.high is None else f" (95% interval {removed.low:.1%} to {removed.high:.1%})"
    left = "" if rung.after is None else f", leaving mean |Δlogp| {rung.after:.4f}"
    if rounding and removed.value < NAMED_FROM:
        left += f", of which rounding makes up some {rounding:.4f} whatever is set"
    residual = ""
    if ladder.residual is not None and len([r for r in ladder.rungs if _moved(r)]) > 1:
        residual = f"; all changes that helped together leave {max(ladder.residual.value, 0.0):.1%}"
    return f"{said}; {done} removes {removed.value:.1%} of the excess{interval}{left}{residual}"


def _best(ladder: Ladder | None) -> str:
    """The rung that removed most without reaching half, in words."""
    tried = [r for r in (() if ladder is None else ladder.rungs) if r.removed is not None and r.setting]
    best = max(tried, key=lambda rung: rung.removed.value if rung.removed else 0.0, default=None)
    if best is None or best.removed is None or best.removed.value <= 0:
        return ""
    setting = ", ".join(f"{name}={value}" for name, value in best.setting.items())
    return f"; {setting} removed most, {best.removed.value:.1%} of the excess"


def _moved(rung: Rung) -> bool:
    removed = rung.removed
    return removed is not None and rung.against != "trainer" and (removed.low or 0.0) > 0


def _nats(value: float) -> str:
    return f"{value:.1e} nats" if value else "exactly 0"
