"""What two runs of one training can differ by: noise models, and simulations of them.

A model is a stationary Gaussian series: a share of white noise (batches), the rest an AR(1) process (the
state of the policy). Nothing else about the noise has to be known, because everything downstream is divided
by the series' own step-to-step scale. Which models the data rule out is asked of the autocorrelations that
are left when the two largest changes of level have been taken out, here and in the simulation alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.watch.scan import windows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_DRAWS, _FEWEST = 1000, 300
"""Simulated comparisons a model: of a pair, and of as many runs as there may be."""
_PHIS = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98)
_WHITE = (0.5, 0.8)
_SEED_PHI, _SEED_WHITE = 0.999, (0.02, 0.1, 0.25)
"""Seeds that differ from beginning to end: a component that hardly moves within a run."""
_CORRELATED = 0.2
"""Share of the run within which a slow component under white noise loses its memory: a slower one can't be
told from a change of level in a single pair of runs."""
_LEVELS = 2
_CLIPPED = 2.0
_HIGH = 0.9
_LEAST_SCALE = 0.2
_HELD = 0.98
"""Share of a model's own simulations within its radius."""
_REACH = 6.0
"""How far a plausible model's score is above the least; calibrated by benchmarks/watch_calibration.py."""
_SEED = 20260506
_ABS_NORMAL = float(np.sqrt(2 / np.pi))


@dataclass(frozen=True, slots=True)
class NoiseModel:
    """A share `white` of the variance is white noise, the rest AR(1) with coefficient `phi`."""

    phi: float
    white: float

    def correlations(self, lags: int) -> Floats:
        """Autocorrelations at lags 0 to `lags` - 1."""
        made: Floats = (1 - self.white) * self.phi ** np.arange(lags, dtype=float)
        made[0] = 1.0
        return made

    def sum_deviations(self, lengths: Floats) -> Floats:
        """Standard deviation of the sum over each number of steps, for a series of variance 1."""
        at = self.correlations(int(lengths.max()))
        return np.array(
            [
                np.sqrt(
                    max(length + 2 * np.sum((length - np.arange(1, length)) * at[1 : int(length)]), 1e-12)
                )
                for length in lengths
            ]
        )

    @property
    def long_run(self) -> float:
        """Variance of a long sum per step, for a series of variance 1."""
        if self.phi == 0:
            return 1.0
        return self.white + (1 - self.white) * (1 + self.phi) / (1 - self.phi)


@dataclass(frozen=True, slots=True)
class Layout:
    """How many steps, and how many runs on each side."""

    steps: int
    references: int
    candidates: int

    @property
    def single(self) -> bool:
        """Whether no side has a second run: the noise can then only be read off the difference."""
        return self.references == self.candidates == 1

    @property
    def lags(self) -> tuple[int, ...]:
        """Lags at which the noise is looked at: to an eighth of the run, half of it with several runs."""
        longest = self.steps / (8 if self.single else 2)
        return tuple(lag for lag in (1, 2, 4, 8, 16, 32, 64) if lag <= max(longest, 2))


@dataclass(frozen=True, slots=True)
class Standard:
    """A difference in units of its own step-to-step noise.

    Attributes:
        z: shape (..., steps).
        scale: the noise of the difference at each step, in the metric's unit; shape (..., steps).
        features: autocorrelations of the noise at the layout's lags; shape (..., lags).
    """

    z: Floats
    scale: Floats
    features: Floats


def standardise(difference: Floats, residuals: Floats, layout: Layout) -> Standard:
    """Divide a difference by its noise, which may change along the run.

    Args:
        difference: mean of the candidates minus mean of the references, shape (..., steps).
        residuals: series of the same noise without the difference, shape (..., series, steps); for a single
            pair the difference itself.
        layout: of the runs.
    """
    # Half of it from the difference itself: a candidate may be noisier than the reference.
    steps = np.abs(np.diff(residuals, axis=-1)).mean(axis=-2) / 2 + np.abs(np.diff(difference, axis=-1)) / 2
    scale = _moving_mean(steps, max(20, layout.steps // 4)) / (2 * _ABS_NORMAL / np.sqrt(2))
    scale = np.concatenate([scale[..., :1], scale], axis=-1)
    scale = np.maximum(scale, _LEAST_SCALE * scale.mean(axis=-1, keepdims=True))
    scale = np.where(scale > 0, scale, 1.0)
    z = _clipped(difference / scale)
    spread = _clipped(residuals / scale[..., None, :])
    level = _level(spread, _LEVELS) if layout.single else spread
    return Standard(z, scale, _autocorrelations(level, layout.lags))


@dataclass(frozen=True, slots=True)
class Null:
    """What a model leads to where both sides are one process.

    Attributes:
        deviations: of a window's sum, by window length, in units of the scale.
        statistics: of the simulated runs, ascending.
        centre, precision: mean and inverse covariance of the simulated features; `radius` the distance within
            which nearly all of them lie.
        band: how far the smoothed difference strays at most, in units of the scale, in 95% of the runs.
    """

    model: NoiseModel
    deviations: Floats
    statistics: Floats
    centre: Floats
    precision: Floats
    radius: float
    band: float

    @property
    def long_run(self) -> float:
        """Variance of a long sum per step, in squares of the scale."""
        return self.model.long_run * _unit(self.model) ** 2

    def distance(self, features: Floats) -> float:
        """Mahalanobis distance of features from the centre."""
        away = features - self.centre
        return float(np.sqrt(away @ self.precision @ away))

    def score(self, features: Floats) -> float:
        """Minus twice the logarithm of the features' likelihood under the model, but for a constant."""
        return self.distance(features) ** 2 - float(np.linalg.slogdet(self.precision)[1])


def plausible(allowed: tuple[Null, ...], features: Floats) -> tuple[list[Null], Null]:
    """The models that the noise does not rule out, and the likeliest.

    Those whose likelihood is not much below the largest. Noise that is like none of them may be any, which
    leaves the judgement to the one that speaks most for no departure.
    """
    scores = [null.score(features) for null in allowed]
    least = min(scores)
    likeliest = allowed[scores.index(least)]
    if all(null.distance(features) > null.radius for null in allowed):
        return list(allowed), likeliest
    return [null for null, score in zip(allowed, scores, strict=True) if score <= least + _REACH], likeliest


@lru_cache(maxsize=64)
def nulls(layout: Layout) -> tuple[Null, ...]:
    """Every model that is allowed for, simulated for this layout. The same layout always gives the same."""
    found = []
    for model in _models(layout):
        drawn = _draw(model, layout)
        difference, residuals = contrast(drawn, layout)
        made = standardise(difference, residuals, layout)
        grid = windows(layout.steps)
        deviations = model.sum_deviations(grid.lengths) * _unit(model)
        statistics = np.sort(grid.statistic(grid.largest(made.z), deviations))
        centre = made.features.mean(axis=0)
        covariance = np.atleast_2d(np.cov(made.features, rowvar=False)) + 1e-9 * np.eye(centre.size)
        precision: Floats = np.linalg.inv(covariance).astype(np.float64)
        away = made.features - centre
        distances = np.sqrt(np.einsum("bi,ij,bj->b", away, precision, away))
        smooth = np.abs(smoothed(difference / made.scale)).max(axis=-1)
        found.append(
            Null(
                model,
                deviations,
                statistics,
                centre,
                precision,
                float(np.quantile(distances, _HELD)),
                float(np.quantile(smooth, 0.95)),
            )
        )
    return tuple(found)


def contrast(runs: Floats, layout: Layout) -> tuple[Floats, Floats]:
    """The difference of the sides' means, scaled to the noise of one run, and series of that noise alone.

    Args:
        runs: shape (..., references + candidates, steps), references first.
        layout: how many of each.
    """
    sides = (runs[..., : layout.references, :], runs[..., layout.references :, :])
    means = [side.mean(axis=-2) for side in sides]
    difference = (means[1] - means[0]) / np.sqrt(1 / layout.references + 1 / layout.candidates)
    if layout.single:
        return difference, difference[..., None, :]
    parts = [
        (side - mean[..., None, :]) * np.sqrt(side.shape[-2] / (side.shape[-2] - 1))
        for side, mean in zip(sides, means, strict=True)
        if side.shape[-2] > 1
    ]
    return difference, np.concatenate(parts, axis=-2)


def smoothed(values: Floats) -> Floats:
    """A centred moving mean over a twentieth of the run, at least three steps; the ends use what there is."""
    return _moving_mean(values, smoothing(values.shape[-1]))


def smoothing(steps: int) -> int:
    """Points that `smoothed` averages over."""
    return max(3, steps // 20 | 1)


def _models(layout: Layout) -> list[NoiseModel]:
    """A pair can't tell slow noise under white noise from a departure; several runs of a side can."""
    made = [NoiseModel(phi, 0.0) for phi in _PHIS]
    if layout.single:
        quick = [phi for phi in _PHIS[1:] if 1 / (1 - phi) <= _CORRELATED * layout.steps]
        return made + [NoiseModel(phi, white) for phi in quick for white in _WHITE]
    made += [NoiseModel(phi, white) for phi in _PHIS[1:] for white in _WHITE]
    return made + [NoiseModel(_SEED_PHI, white) for white in (*_SEED_WHITE, *_WHITE)]


def _unit(model: NoiseModel) -> float:
    """Standard deviation of a series whose step-to-step scale is 1."""
    lag_1 = float(model.correlations(2)[1])
    return float(1 / np.sqrt(1 - lag_1))


def _draw(model: NoiseModel, layout: Layout) -> Floats:
    """Runs of pure noise, shape (draws, runs, steps)."""
    generator = np.random.default_rng(_SEED)
    runs = layout.references + layout.candidates
    shape = (layout.steps, max(_FEWEST, 2 * _DRAWS // runs), runs)
    shocks = generator.standard_normal(shape)
    if model.phi:
        slow = np.empty(shape)
        slow[0] = shocks[0]
        fresh = np.sqrt(1 - model.phi**2)
        for step in range(1, layout.steps):
            slow[step] = model.phi * slow[step - 1] + fresh * shocks[step]
        if model.white:
            white = generator.standard_normal(shape)
            slow = np.sqrt(1 - model.white) * slow + np.sqrt(model.white) * white
        shocks = slow
    return np.ascontiguousarray(np.moveaxis(shocks, 0, -1))


def _clipped(values: Floats) -> Floats:
    """Single spikes cut off at twice the 90% quantile of what is usual."""
    usual = np.quantile(np.abs(values), _HIGH, axis=-1, keepdims=True)
    bound = np.where(usual > 0, _CLIPPED * usual, np.inf)
    clipped: Floats = np.clip(values, -bound, bound)
    return clipped


def _level(values: Floats, changes: int) -> Floats:
    """What is left of series when their largest changes of level are taken out, one after the other."""
    steps = values.shape[-1]
    left: Floats = values - values.mean(axis=-1, keepdims=True)
    places = np.arange(1, steps, dtype=float)
    for _ in range(changes):
        sums = np.cumsum(left, axis=-1)[..., :-1]
        gain = np.square(sums) / (places * (steps - places))
        at = np.argmax(gain, axis=-1)[..., None]
        before = np.take_along_axis(sums, at, axis=-1)
        first = np.arange(steps) <= at
        left = left - np.where(first, before / (at + 1), -before / (steps - at - 1))
    return left


def _autocorrelations(values: Floats, lags: tuple[int, ...]) -> Floats:
    """Autocorrelations about zero, pooled over series; shape (..., lags)."""
    power = np.maximum(np.square(values).mean(axis=(-1, -2)), 1e-12)
    steps = values.shape[-1]
    products = [(values[..., lag:] * values[..., : steps - lag]).mean(axis=(-1, -2)) for lag in lags]
    made: Floats = np.stack([product / power for product in products], axis=-1)
    return made


def _moving_mean(values: Floats, width: int) -> Floats:
    steps = values.shape[-1]
    sums = np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)], axis=-1)
    half = width // 2
    low = np.maximum(np.arange(steps) - half, 0)
    high = np.minimum(np.arange(steps) + half + 1, steps)
    made: Floats = (sums[..., high] - sums[..., low]) / (high - low)
    return made
