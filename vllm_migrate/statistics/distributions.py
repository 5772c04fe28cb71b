"""Quantiles of the distributions the audit's bounds need, by their textbook series and bisection.

The incomplete beta function by its continued fraction, the incomplete gamma function by its series or
continued fraction (W. Press et al., Numerical Recipes, 3rd edition, sections 6.2 and 6.4), by Lentz's method.
SciPy has all of them; it is not worth a dependency of 100 MB.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_TINY = 1e-300
_PRECISE = 1e-14
_SOLVED = 1e-10  # relative
_ROUNDS = 100_000

normal_quantile = NormalDist().inv_cdf
normal_cdf = NormalDist().cdf


def beta_cdf(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b)."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1.0 - beta_cdf(1 - x, b, a)
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    fraction, c, d = 1.0, 1.0, 0.0
    for step in range(_ROUNDS):
        half = step // 2
        if step == 0:
            term = 1.0
        elif step % 2 == 0:
            term = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        else:
            term = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        d = 1.0 / _away_from_zero(1.0 + term * d)
        c = _away_from_zero(1.0 + term / c)
        fraction *= c * d
        if abs(c * d - 1.0) < _PRECISE:
            break
    return math.exp(scale) * (fraction - 1.0) / a


def gamma_cdf(x: float, shape: float) -> float:
    """The regularised lower incomplete gamma function P(shape, x)."""
    if x <= 0:
        return 0.0
    scale = math.exp(-x + shape * math.log(x) - math.lgamma(shape))
    if x < shape + 1:
        term = total = 1.0 / shape
        for step in range(1, _ROUNDS):
            term *= x / (shape + step)
            total += term
            if term < total * _PRECISE:
                break
        return scale * total
    b = x + 1 - shape
    c, d = 1 / _TINY, 1 / b
    fraction = d
    for step in range(1, _ROUNDS):
        term = -step * (step - shape)
        b += 2
        d = 1 / _away_from_zero(term * d + b)
        c = _away_from_zero(b + term / c)
        fraction *= c * d
        if abs(c * d - 1.0) < _PRECISE:
            break
    return 1.0 - scale * fraction


@lru_cache(maxsize=4096)
def student_t_quantile(level: float, degrees: float) -> float:
    """The t below which a Student's t variable lies with probability `level`."""
    if level < 0.5:  # noqa: PLR2004 - the median
        return -student_t_quantile(1 - level, degrees)
    x = beta_quantile(2 * (1 - level), degrees / 2, 0.5)
    return math.sqrt(degrees * (1 - x) / x) if x > 0 else math.inf


@lru_cache(maxsize=4096)
def beta_quantile(level: float, a: float, b: float) -> float:
    """The x at which I_x(a, b) is `level`."""
    log_scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)

    def density(x: float) -> float:
        return math.exp(log_scale + (a - 1) * math.log(x) + (b - 1) * math.log1p(-x))

    mean = a / (a + b)
    start = mean + normal_quantile(level) * math.sqrt(mean * (1 - mean) / (a + b + 1))
    return _solve(lambda x: beta_cdf(x, a, b), density, level, (0.0, 1.0), start)


@lru_cache(maxsize=4096)
def chi_square_quantile(level: float, degrees: float) -> float:
    """The x below which a chi-square variable lies with probability `level`."""
    shape = degrees / 2

    def density(x: float) -> float:
        return math.exp((shape - 1) * math.log(x / 2) - x / 2 - math.lgamma(shape)) / 2

    high = degrees + 10.0
    while gamma_cdf(high / 2, shape) < level:
        high *= 2
    start = degrees + normal_quantile(level) * math.sqrt(2 * degrees)
    return _solve(lambda x: gamma_cdf(x / 2, shape), density, level, (0.0, high), start)


def _solve(
    function: Callable[[float], float],
    slope: Callable[[float], float],
    level: float,
    bracket: tuple[float, float],
    start: float,
) -> float:
    """Where an increasing function reaches `level`: Newton's method, halving where it leaves the bracket."""
    low, high = bracket
    x = start if low < start < high else (low + high) / 2
    for _ in range(200):
        value = function(x)
        if value < level:
            low = x
        else:
            high = x
        rise = slope(x)
        following = x - (value - level) / rise if rise > _TINY else low
        if not low < following < high:
            # Halving the logarithm once the lower end is known reaches small results in as few steps.
            following = math.sqrt(low * high) if low > 0 and high > 4 * low else (low + high) / 2
        if abs(following - x) <= _SOLVED * following or high - low <= _SOLVED * high:
            return following
        x = following
    return x


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
