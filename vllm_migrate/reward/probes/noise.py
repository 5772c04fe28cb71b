"""Do advantages keep their sign under the reward's own errors? What is wrongly paid pushes the other way.

Procedure: the share of wrong answers that are paid and that of right ones that aren't are measured as in
`second-verifier`. What that verifier calls right and wrong is then flipped at these rates, 400 times, and the
advantages of GRPO, (R - mean) / (std + 1e-4) over a prompt's completions, are worked out with and without the
flips.

Figure: share of the advantages other than 0 that keep their sign. Its interval is that figure at the upper
and at the lower end of the rates' intervals (exact, or over prompts where that is wider); it fails where it
is below the limit at the lower end too. Beside it stands the share of prompts whose completions are all alike
and get advantages from errors alone. Only for rewards that a second verifier can be held against.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.reward.bench import Bench, Probe, limits_of
from vllm_migrate.reward.changes.cases import SHOWN, ending
from vllm_migrate.reward.figures import centred, clustered_mean, judged, share
from vllm_migrate.reward.outcome import Check, Example, Outcome
from vllm_migrate.reward.probes.second_verifier import table_of, why_not
from vllm_migrate.statistics.verdict import Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vllm_migrate.reward.probes.second_verifier import Table

NAME = "noise"
FEWEST = 10
FLIPS = 400
_MOST_EXAMPLES = 3
_EVEN = 1e-9


def examine(bench: Bench) -> Check:
    """Share of advantages that keep their sign."""
    if not any(sample.sampled for sample in bench.samples):
        return Check(NAME, Outcome.NOT_APPLICABLE, "no policy wrote the completions")
    table = table_of(bench)
    if table is None:
        return Check(NAME, Outcome.NOT_APPLICABLE, f"its errors can't be measured: {why_not(bench)}")
    _, index = np.unique(bench.groups[table.indices], return_inverse=True)
    clean = _signs(table.right[:, None].astype(np.float64), index)[:, 0]
    differing = len(np.unique(index[clean != 0]))
    if differing < FEWEST:
        message = f"{differing} prompts with right and wrong completions are too few; {FEWEST} are needed"
        return Check(NAME, Outcome.NOT_JUDGED, message)
    bought = _rate(table.paid[~table.right], index[~table.right], bench.seed)
    missed = _rate(~table.paid[table.right], index[table.right], bench.seed)
    random = np.random.default_rng(bench.seed)

    def at(bought_rate: float | None, missed_rate: float | None) -> tuple[float, float]:
        rates = np.where(table.right, missed_rate or 0.0, bought_rate or 0.0)
        return _flipped(table.right, clean, index, rates, random)

    kept, untied = at(bought.value, missed.value)
    figure = Estimate(kept, at(bought.high, missed.high)[0], at(bought.low, missed.low)[0])
    limits = limits_of(bench, NAME)
    outcome = judged(limits, figure)
    now = _signs(table.paid[:, None].astype(np.float64), index)[:, 0]
    return Check(
        NAME,
        outcome,
        f"{kept:.1%} of advantages keep their sign where {bought.value:.1%} of wrong answers are paid and "
        f"{missed.value:.1%} of right ones are not",
        figure=figure,
        unit="share of advantages that keep their sign",
        count=int((clean != 0).sum()),
        counted="completions",
        limits=limits,
        worst=_worst(bench, table, clean, now) if outcome is not Outcome.PASS else (),
        parts={
            "wrong, paid": bought.value,
            "right, not paid": missed.value,
            "alike, with advantages": untied,
            "in these samples": float((clean == now)[clean != 0].mean()),
        },
        advice="mend the verifier first: its errors below weigh as much as its signal"
        if outcome is not Outcome.PASS
        else "",
    )


def _rate(errors: NDArray[np.bool_], index: NDArray[np.int64], seed: int) -> Estimate:
    """A share of errors with its exact interval, or that over prompts where it is wider."""
    exact = share(int(errors.sum()), len(errors))
    over = clustered_mean(errors.astype(np.float64), index, seed=seed)
    low = min(exact.low or 0.0, over.low or 0.0)
    return Estimate(exact.value, low, max(exact.high or 0.0, over.high or 0.0))


def _signs(rewards: NDArray[np.float64], index: NDArray[np.int64]) -> NDArray[np.float64]:
    """Signs of the advantages within prompts, shape (samples, draws): those of R - mean."""
    found = centred(rewards, index)
    return np.asarray(np.where(np.abs(found) < _EVEN, 0.0, np.sign(found)))


def _flipped(
    right: NDArray[np.bool_],
    clean: NDArray[np.float64],
    index: NDArray[np.int64],
    rates: NDArray[np.float64],
    random: np.random.Generator,
) -> tuple[float, float]:
    """Share of signs that stay, and of prompts without any that get some."""
    flips = random.random((len(right), FLIPS)) < rates[:, None]
    signs = _signs((right[:, None] ^ flips).astype(np.float64), index)
    signed = clean != 0
    kept = float((signs[signed] == clean[signed, None]).mean())
    alike = np.flatnonzero(np.bincount(index, weights=np.abs(clean)) == 0)
    if not len(alike):
        return kept, 0.0
    noisy = [np.bincount(index, weights=np.abs(column))[alike] > 0 for column in signs.T]
    return kept, float(np.mean(noisy))


def _worst(
    bench: Bench, table: Table, clean: NDArray[np.float64], now: NDArray[np.float64]
) -> tuple[Example, ...]:
    """Completions that are pushed the other way in these very samples."""
    turned = np.flatnonzero((clean * now < 0) | ((clean == 0) & (now != 0)) | ((clean != 0) & (now == 0)))
    ranked = sorted(turned.tolist(), key=lambda place: float(clean[place] * now[place]))
    found = []
    for place in ranked[:_MOST_EXAMPLES]:
        index = int(table.indices[place])
        sample, value = bench.samples[index], bench.scores[index].value
        word = "right" if table.right[place] else "wrong"
        push = {1.0: "encouraged", 0.0: "left alone", -1.0: "discouraged"}[float(now[place])]
        found.append(
            Example(
                change=f"{word}, and {push} among the completions of its prompt",
                before=None,
                after=value,
                completion=ending(sample.completion),
                prompt=sample.prompt[-SHOWN:],
            )
        )
    return tuple(found)


PROBE = Probe(NAME, "Do advantages keep their sign under the reward's errors?", examine, order=42)
