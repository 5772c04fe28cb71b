"""The result's further parts in words: ladder, invariants, weight updates, speed. Plain text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from vllm_migrate.audit.cause.causes import ABOUT
from vllm_migrate.audit.result import Cause
from vllm_migrate.report.numbers import count, estimated, given, limit, number, percent
from vllm_migrate.report.settings_code import setting_words

if TYPE_CHECKING:
    from vllm_migrate.audit.sections import Diagnostic, Invariant, Ladder, Rung, SpeedOption, SyncCase

INVARIANTS = {
    "repeats-itself": "the engine repeats itself",
    "weights-match": "weights match after an update",
    "same-tokens-after-sync": "same logprobs as a cold engine after an update",
    "no-stale-prefix": "no stale prefix blocks after an update",
    "same-prompt-ids": "same prompt tokens on both sides",
    "fp32-head": "head in float32 on both sides",
}
_DIAGNOSTICS = {
    "top_k_kl": "KL over the top tokens",
    "uncovered_mass": "mass outside the top tokens",
    "entropy_shift": "entropy shift",
    "probability_correlation": "correlation of probabilities",
    "perplexity_ratio": "perplexity ratio",
    "mult_prob_error": "multiplicative probability error",
    "confident_disagreement": "confident disagreement",
    "length_shift": "length shift",
    "finish_length_shift": "shift of completions cut by length",
    "served_prompt_logprobs": "prompt logprobs, server to trainer's raw ones",
    "greedy_identical": "greedy completions that are the same",
    "greedy_first_divergence": "first divergence under greedy, median",
}
HOW = {
    "live": "in the running engine",
    "second-engine": "in a second engine",
    "restart": "after a restart",
    "signature": "not run",
}
AGAINST = {
    "reference": "against the reference",
    "probe": "against the reference, under the semantic probe",
    "trainer": "against the trainer's forward",
}
BANDS = {
    "position": "Position in the completion",
    "probability": "Probability under the reference",
    "length": "Length of the completion",
    "stratum": "Length of the prompt",
    "prefix": "Prefix shared between prompts",
}


def invariant_name(invariant: Invariant) -> str:
    """An invariant's name in words; one without an entry stands for itself."""
    return INVARIANTS.get(invariant.name, invariant.name.replace("-", " "))


def invariant_state(invariant: Invariant) -> str:
    """One of "holds", "broken", "not tried"."""
    if invariant.holds is None:
        return "not tried"
    return "holds" if invariant.holds else "broken"


def invariant_figure(invariant: Invariant) -> str:
    """`0.00310 nats (allowed 0)`; empty where nothing was measured."""
    if invariant.value is None:
        return ""
    bound = "" if invariant.allowed is None else f" (allowed {limit(invariant.allowed)})"
    unit = f" {invariant.unit}" if invariant.unit else ""
    return f"{number(invariant.value)}{unit}{bound}"


def diagnostic_name(diagnostic: Diagnostic) -> str:
    """A diagnostic's name in words; one without an entry stands for itself."""
    return _DIAGNOSTICS.get(diagnostic.metric, diagnostic.metric.replace("_", " "))


def diagnostic_unit(diagnostic: Diagnostic) -> str:
    """How its figures are written: "share" as a percentage."""
    return "share" if diagnostic.unit.startswith("share") else diagnostic.unit


def diagnostic_mark(diagnostic: Diagnostic) -> str:
    """From where it deserves a look; empty where no figure is published."""
    if diagnostic.warn is None:
        return ""
    share = diagnostic_unit(diagnostic) == "share"
    return limit(diagnostic.warn, "share") if share else given(diagnostic.warn)


def rung_name(rung: Rung) -> str:
    """What was changed; for a rung that changes no setting, the suspected cause."""
    return setting_words(rung.setting) or cause_words(rung.cause)


def cause_words(cause: str) -> str:
    """A cause's value in words; an unknown one stands for itself."""
    known = {entry.value: entry for entry in Cause}
    return ABOUT[known[cause]].title if cause in known and known[cause] in ABOUT else cause


def rung_effect(rung: Rung) -> str:
    """`removes 96.2% [96.1%, 96.4%]`; why not where it was not measured."""
    if rung.removed is None:
        return rung.note or "not run"
    return f"{'adds' if rung.removed.value < 0 else 'removes'} {_share(rung)}"


def _share(rung: Rung) -> str:
    if rung.removed is None:
        return ""
    if rung.removed.value >= 0:
        return estimated(rung.removed, "share")
    low, high = rung.removed.low, rung.removed.high
    bounds = "" if low is None or high is None else f" [{percent(-high)}, {percent(-low)}]"
    return percent(-rung.removed.value) + bounds


def ladder_remainder(ladder: Ladder) -> list[str]:
    """What the changes leave, and how they act on each other: a sentence each."""
    said = []
    if ladder.residual is not None:
        said.append(f"All changes together leave {estimated(ladder.residual, 'share')} of the excess.")
    if ladder.interaction is not None:
        apart = ladder.interaction.value
        sense = "more" if apart >= 0 else "less"
        low, high = ladder.interaction.low, ladder.interaction.high
        bounds = "" if low is None or high is None else f" [{percent(low)}, {percent(high)}]"
        said.append(
            f"Together they remove {percent(abs(apart))} of the excess {sense} than the sum of what each "
            f"removes by itself (interaction {percent(apart)}{bounds})."
        )
    return said


def sync_way(case: SyncCase) -> str:
    """How weights were brought in: `pause-keep with cache reset, prefix caching on`."""
    return f"{sync_mode(case)}, prefix caching {'on' if case.prefix_caching else 'off'}"


def sync_mode(case: SyncCase) -> str:
    """The way without the engine's own settings: `pause-keep with cache reset`."""
    words = case.mode if case.mode != "none" else "no update"
    extra = ["cache reset"] if case.reset else []
    extra += [f"{case.head} head"] if case.head else []
    return f"{words} with {' and '.join(extra)}" if extra else words


def sync_state(case: SyncCase) -> str:
    """One of "as a cold engine", "differs", "not tried"."""
    if case.stale is None:
        return "not tried"
    return "differs" if case.stale else "as a cold engine"


def sync_flight(case: SyncCase) -> str:
    """What became of the sequences that were running when the update came; empty where none was."""
    if case.flight_old is None or case.flight_new is None:
        return ""
    mixed = f", {count(case.flight_mixed)} mixed" if case.flight_mixed else ""
    return f"{count(case.flight_old)} old, {count(case.flight_new)} new{mixed}"


def speed_words(option: SpeedOption) -> str:
    """`1.31x [1.28x, 1.35x]`, or why there is no figure."""
    value = option.speedup
    if not math.isfinite(value.value):
        return option.note or "not measured"
    bounds = ""
    if value.low is not None and value.high is not None:
        bounds = f" [{number(value.low)}x, {number(value.high)}x]"
    return f"{number(value.value)}x{bounds}"
