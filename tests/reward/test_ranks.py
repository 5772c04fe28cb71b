from __future__ import annotations

import numpy as np

from vllm_migrate.reward.explain.ranks import explained, rank_correlation, ranks


def test_equal_values_share_a_rank() -> None:
    assert ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1.0, 3.5, 2.0]


def test_ranks_within_cells_do_not_see_what_differs_between_them() -> None:
    generator = np.random.default_rng(1)
    cells = np.repeat(np.arange(50), 8)
    base = np.repeat(generator.normal(size=50) * 10, 8)
    one, other = base + generator.normal(size=400), base + generator.normal(size=400)
    assert np.corrcoef(one, other)[0, 1] > 0.9
    found = rank_correlation(one, other, cells, cells)
    assert found is not None
    assert abs(found.rho.value) < 0.12
    assert found.rho.low < 0 < found.rho.high
    same = rank_correlation(one, -(one**3), cells, cells)
    assert same is not None
    assert abs(same.rho.value + 1) < 1e-12


def test_no_cell_in_which_both_vary_has_no_rho() -> None:
    cells = np.repeat(np.arange(5), 2)
    assert rank_correlation(np.ones(10), np.arange(10.0), cells, cells) is None


def test_a_curve_that_turns_is_explained_by_a_spline_though_not_by_ranks() -> None:
    generator = np.random.default_rng(2)
    x = generator.uniform(-1, 1, 400)
    cells = np.repeat(np.arange(50), 8)
    y = x**2 + generator.normal(size=400) * 0.05
    found = rank_correlation(x, y, cells, cells)
    assert found is not None
    assert abs(found.rho.value) < 0.15
    share = explained(x, y, cells)
    assert share is not None
    assert share > 0.9
    nothing = explained(x, generator.normal(size=400), cells)
    assert nothing is not None
    assert nothing < 0.05


def test_what_does_not_vary_explains_nothing() -> None:
    assert explained(np.ones(8), np.arange(8.0), np.zeros(8, dtype=np.int64)) is None
    assert explained(np.arange(8.0), np.ones(8), np.zeros(8, dtype=np.int64)) is None
