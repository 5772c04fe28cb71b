"""How sure a share of a sample is: the exact interval that the benchmarks give beside their figures."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))  # where the package is not installed

from vllm_migrate.statistics.distributions import beta_quantile

CONFIDENCE = 0.95


def interval(hits: int, total: int) -> tuple[float, float]:
    """Two-sided 95% interval of a share (C. Clopper and E. Pearson, 1934); (0, 1) of nothing."""
    tail = (1.0 - CONFIDENCE) / 2.0
    low = beta_quantile(tail, hits, total - hits + 1) if hits else 0.0
    high = beta_quantile(1.0 - tail, hits + 1, total - hits) if hits < total else 1.0
    return low, high
