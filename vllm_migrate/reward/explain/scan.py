"""How much of a reward cheap features explain, beyond what is held fixed.

Everything is centred within prompts, so that hard prompts explain nothing. What is held fixed is fitted by
least squares, the features beside it by ridge regression with its penalty from generalised cross-validation
(G. Golub, M. Heath and G. Wahba, 1979). Both predict prompts that they were not fitted on; the gain is what
the features take off the squared error there, as a share of the rewards' variance within prompts.

The null: what is held fixed is taken out of the rewards, and what is left is exchanged among the completions
of each prompt (D. Freedman and D. Lane, 1983), which no feature can then explain. Single features are held
against the same null by their correlation with what is left, and corrected by S. Holm's method (1979).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.reward.figures import RESAMPLES, centred
from vllm_migrate.statistics.holm import holm_corrected
from vllm_migrate.statistics.verdict import Estimate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

FOLDS = 5
EXCHANGES = 1999
EXCHANGES_OF_ALL = 200
_PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # times the number of samples: columns have variance 1
_AT_ONCE = 100
_NOTHING = 1e-12


@dataclass(frozen=True, slots=True)
class Single:
    """One feature by itself.

    Attributes:
        share: of what is left of the rewards' variance within prompts, that it explains alone.
        sign: 1 where more of it earns more, -1 where it earns less.
        p: after Holm's correction over all features.
    """

    name: str
    share: float
    sign: int
    p: float


@dataclass(frozen=True, slots=True)
class Scan:
    """What all features explain together, and each alone.

    Attributes:
        gain: share of the rewards' variance within prompts, on held-out prompts, with its interval over them.
        null: the gain that 95% of exchanges stay below.
        singles: every feature, strongest first.
    """

    gain: Estimate
    null: float
    singles: tuple[Single, ...]


def scan(
    rewards: Floats, features: Mapping[str, Floats], fixed: Floats, prompts: Integers, *, seed: int = 0
) -> Scan | None:
    """The scan; None where nothing varies within prompts.

    Args:
        rewards: finite, shape (samples,).
        features: columns by name, shape (samples,) each.
        fixed: what is held fixed, shape (samples, columns).
        prompts: the prompt of each sample.
        seed: of folds, exchanges and resampling.
    """
    _, index = np.unique(prompts, return_inverse=True)
    y = centred(rewards[:, None], index)[:, 0]
    total = float(y @ y)
    if total <= _NOTHING:
        return None
    base = _scaled(centred(fixed, index))
    left = y - base @ np.linalg.lstsq(base, y, rcond=None)[0] if base.shape[1] else y.copy()
    names = list(features)
    design = centred(np.column_stack([features[name] for name in names]), index) if names else base[:, :0]
    design = design - base @ np.linalg.lstsq(base, design, rcond=None)[0] if base.shape[1] else design
    alive = np.flatnonzero((design**2).mean(axis=0) > _NOTHING)
    names, design = [names[place] for place in alive], _scaled(design[:, alive])
    if float(left @ left) <= 1e-9 * total or not names:
        return Scan(Estimate(0.0), 0.0, ())
    random = np.random.default_rng(seed)
    parts = _held_out(y[:, None], base, design, index, random)
    sums = np.column_stack([np.bincount(index, weights=part[:, 0] ** 2) for part in parts])
    gain = _gain(sums.sum(axis=0)[None, :])[0]
    draw = random.integers(len(sums), size=(RESAMPLES, len(sums)))
    low, high = np.quantile(_gain(sums[draw].sum(axis=1)), (0.025, 0.975))
    singles, null = _against_null(y - left, left, base, design, index, random)
    shares = (design.T @ left) ** 2 / (len(left) * float(left @ left))
    signs = np.sign(design.T @ left)
    found = [
        Single(name, float(share), int(sign), p)
        for name, share, sign, p in zip(names, shares, signs, holm_corrected(singles.tolist()), strict=True)
    ]
    return Scan(
        gain=Estimate(float(gain), float(low), float(high)),
        null=null,
        singles=tuple(sorted(found, key=lambda one: (one.p, -one.share))),
    )


def _gain(sums: Floats) -> Floats:
    """Of squared sums without anything, beyond what is fixed, and beyond the features too; rows."""
    return np.asarray((sums[:, 1] - sums[:, 2]) / np.maximum(sums[:, 0], _NOTHING))


def _against_null(  # noqa: PLR0917 - one computation, cut in two for its length
    explained: Floats,
    left: Floats,
    base: Floats,
    design: Floats,
    index: Integers,
    random: np.random.Generator,
) -> tuple[Floats, float]:
    """p-values of single features, and the gain that 95% of exchanges stay below."""
    observed = np.abs(design.T @ left)
    reached = np.ones(design.shape[1])
    gains: list[float] = []
    drawn = 0
    for exchanged in _exchanged(left, index, random):
        drawn += exchanged.shape[1]
        reached += (np.abs(design.T @ exchanged) >= observed[:, None] * (1 - 1e-9)).sum(axis=1)
        if len(gains) < EXCHANGES_OF_ALL:
            targets = explained[:, None] + exchanged
            parts = _held_out(targets, base, design, index, random)
            gains += _gain(np.column_stack([(part**2).sum(axis=0) for part in parts])).tolist()
    return reached / (drawn + 1), float(np.quantile(gains[:EXCHANGES_OF_ALL], 0.95))


def _exchanged(left: Floats, index: Integers, random: np.random.Generator) -> Iterator[Floats]:
    """What is left, exchanged within prompts; columns, a hundred at a time."""
    order = np.argsort(index, kind="stable")
    done = 0
    while done < EXCHANGES:
        count = min(_AT_ONCE, EXCHANGES - done)
        keys = random.random((len(left), count)) + index[order][:, None]
        found = np.empty((len(left), count))
        found[order] = left[order][np.argsort(keys, axis=0)]
        done += count
        yield found


def _held_out(
    targets: Floats, base: Floats, design: Floats, index: Integers, random: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Targets, what is left of them on held-out prompts by what is fixed, and by the features too."""
    fold = random.permutation(int(index.max()) + 1)[index] % FOLDS
    by_base, by_all = np.array(targets), np.array(targets)
    for number in range(FOLDS):
        inside, outside = fold != number, fold == number
        if not outside.any() or not inside.any():
            continue
        held = np.linalg.lstsq(base[inside], targets[inside], rcond=None)[0]
        rest = targets[inside] - base[inside] @ held
        by_base[outside] = targets[outside] - base[outside] @ held
        by_all[outside] = by_base[outside] - design[outside] @ _ridge(design[inside], rest)
    return targets, by_base, by_all


def _ridge(design: Floats, targets: Floats) -> Floats:
    """Weights, shape (features, targets), each column's penalty by generalised cross-validation."""
    u, s, v = np.linalg.svd(design, full_matrices=False)
    turned = u.T @ targets
    count = len(design)
    outside = (targets**2).sum(axis=0) - (turned**2).sum(axis=0)
    best = np.full(targets.shape[1], np.inf)
    weights = np.zeros((design.shape[1], targets.shape[1]))
    for penalty in _PENALTIES:
        shrunk = s**2 / (s**2 + penalty * count)
        residual = outside + (((1 - shrunk)[:, None] * turned) ** 2).sum(axis=0)
        score = residual / max(1.0, count - float(shrunk.sum())) ** 2
        better = score < best
        best = np.where(better, score, best)
        found = v.T @ ((s / (s**2 + penalty * count))[:, None] * turned)
        weights[:, better] = found[:, better]
    return weights


def _scaled(columns: Floats) -> Floats:
    size = np.sqrt((columns**2).mean(axis=0))
    return np.asarray(columns / np.where(size > 0, size, 1.0))
