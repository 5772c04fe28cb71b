"""What share of a candidate's excess each change removes, with intervals over resampled prompts.

For a set S of changes, v(S) is mean |d| of the candidate under S against the reference, over the same
tokens. The excess is v(none) less the noise floor, and a change i on top of S removes (v(S) - v(S + i)) /
excess of it.
All sets are resampled together, so that shares are compared on the same prompts.
"""

from __future__ import annotations

from itertools import combinations
from math import factorial
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.audit.decide.statistics import bootstrap_ratios
from vllm_migrate.statistics.verdict import Estimate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from vllm_migrate.audit.cause.evidence import Changes

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

NONE: Changes = frozenset()
ORDER_MATTERS = 0.2  # share of the excess; from here on a step's share depends on what was changed before it
_TINY = 1e-12


class Waterfall:
    """Shares of one excess.

    Args:
        distances: |d| per token under each set of changes, nats; not finite where a side gives the token no
            probability. The empty set must be among them.
        prompts: the prompt of each token.
        floor: mean |d| of the noise floor, nats.
        seed: of the resampling.
    """

    def __init__(
        self, distances: Mapping[Changes, Floats], prompts: Integers, *, floor: float = 0.0, seed: int = 0
    ) -> None:
        self._order = list(distances)
        self._floor = floor
        _, rows = np.unique(prompts, return_inverse=True)
        count = int(rows.max()) + 1 if len(rows) else 0
        sums: list[Floats] = []
        tokens: list[Floats] = []
        for values in distances.values():
            finite = np.isfinite(values)
            sums.append(np.bincount(rows, np.where(finite, values, 0.0), minlength=count).astype(np.float64))
            tokens.append(np.bincount(rows, finite, minlength=count).astype(np.float64))
        numerators, denominators = np.column_stack(sums), np.column_stack(tokens)
        self._point = numerators.sum(axis=0) / np.maximum(denominators.sum(axis=0), 1)
        self._draws = bootstrap_ratios(numerators, denominators, seed=seed)

    def __contains__(self, changes: Changes) -> bool:
        return changes in self._order

    def distance(self, changes: Changes) -> float:
        """v(S), nats."""
        return float(self._point[self._order.index(changes)])

    def excess(self, changes: Changes = NONE) -> Estimate:
        """v(S) less the noise floor, nats, never below 0."""
        return _estimate(self._excess(self._columns(changes)))

    def removed(self, step: Iterable[str], *, on: Changes = NONE) -> Estimate:
        """Share of the excess that `step` removes on top of `on`."""
        return _estimate(self._removed(on, on | frozenset(step)))

    def left(self, changes: Changes) -> Estimate:
        """Share of the excess that the changes together leave."""
        columns = self._excess(self._columns(changes))
        return _estimate(columns / self._whole())

    def interaction(self, steps: Iterable[str]) -> Estimate:
        """What the steps remove together less what they remove one by one, as a share of the excess."""
        together = self._removed(NONE, frozenset(steps))
        return _estimate(together - sum(self._removed(NONE, frozenset({step})) for step in steps))

    def shapley(self, steps: tuple[str, ...]) -> dict[str, Estimate]:
        """Each step's share averaged over all orders (L. Shapley, 1953); every subset must have been run."""
        return {step: _estimate(self._shapley_value(step, steps)) for step in steps}

    def _shapley_value(self, step: str, steps: tuple[str, ...]) -> Floats:
        others = [other for other in steps if other != step]
        total: Floats = np.zeros(len(self._draws) + 1)
        for size in range(len(others) + 1):
            weight = factorial(size) * factorial(len(others) - size) / factorial(len(steps))
            for subset in combinations(others, size):
                before = frozenset(subset)
                total = total + weight * self._removed(before, before | {step})
        return total

    def _columns(self, changes: Changes) -> Floats:
        """The point estimate, then the resampled ones."""
        index = self._order.index(changes)
        return np.concatenate([self._point[index : index + 1], self._draws[:, index]])

    def _excess(self, columns: Floats) -> Floats:
        return np.maximum(columns - self._floor, 0.0)

    def _whole(self) -> Floats:
        return np.maximum(self._columns(NONE) - self._floor, _TINY)

    def _removed(self, before: Changes, after: Changes) -> Floats:
        drop = self._excess(self._columns(before)) - self._excess(self._columns(after))
        return drop / self._whole()


def _estimate(columns: Floats) -> Estimate:
    low, high = (float(value) for value in np.quantile(columns[1:], (0.025, 0.975)))
    return Estimate(float(columns[0]), low, high)


def subsets(steps: Iterable[str]) -> list[Changes]:
    """Every subset of some steps, smallest first."""
    names = tuple(steps)
    return [frozenset(chosen) for size in range(len(names) + 1) for chosen in combinations(names, size)]
