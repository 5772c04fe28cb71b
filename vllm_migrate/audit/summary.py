"""One comparison's metrics with their intervals, as reports show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.audit.figures.metrics import TOKENS, PromptSums
from vllm_migrate.audit.result import Estimate, Metrics

if TYPE_CHECKING:
    from vllm_migrate.audit.decide.statistics import Bootstrap


def summarise(sums: PromptSums, bootstrap: Bootstrap) -> Metrics:
    """The metrics of one comparison with their 95% intervals."""

    def estimate(name: str) -> Estimate:
        low, high = bootstrap.interval(name)
        return Estimate(bootstrap.value(name), low, high)

    return Metrics(
        mean_abs=estimate("mean_abs"),
        p99_abs=sums.p99_abs,
        max_abs=sums.max_abs,
        mean_ratio_deviation=estimate("mean_ratio_deviation"),
        k1=estimate("k1"),
        k2=estimate("k2"),
        k3=estimate("k3"),
        tail_f2=estimate("tail_f2"),
        clip_rate=estimate("clip_rate"),
        ess=sums.ess,
        outside_support=estimate("outside_support"),
        tokens=int(sums.total(TOKENS)),
        prompts=len(sums.sums),
        mult_prob_err=estimate("mult_prob_err"),
    )
