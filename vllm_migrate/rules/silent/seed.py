"""VM705: every engine is seeded with 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.engines import built, is_rl
from vllm_migrate.rules.finding import make_finding
from vllm_migrate.rules.silent.defaults import calls_with, default_change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.located import FileFacts
    from vllm_migrate.rules.base import Context

_SYNC = '    llm.collective_rpc("update_weight", args=(weights,))\n    return llm\n'


class Seed(Rule):
    """An RL project builds an engine without a seed.

    ## What it does
    Reports engines built without `seed=` in a project that trains on rollouts.

    ## Why it matters
    V0 left the seed alone. V1 seeds every engine with 0: replicas draw the same rollouts, which halves or
    worse what a group of them is worth, and an engine in the trainer's process resets the trainer's random
    state.

    ## Fix safety
    Left to a person: V0's None has no equal, and a constant would be wrong for replicas. Pass the rank.
    """

    code = "VM705"
    name = "seed"
    summary = "every engine is seeded with 0"
    level = Level.WARNING
    safety = Safety.MANUAL
    examples = (
        Example(
            before=(
                "from vllm import LLM\n\n\ndef build(weights):\n"
                f'    llm = LLM("m", enable_prefix_caching=False, async_scheduling=False)\n{_SYNC}'
            )
        ),
        Example(
            before=(
                "from vllm import LLM\n\n\ndef build(weights, rank):\n"
                f'    llm = LLM("m", seed=rank, enable_prefix_caching=False, async_scheduling=False)\n{_SYNC}'
            ),
            unchanged=True,
        ),
        Example(before='from vllm import LLM\n\n\ndef build():\n    return LLM("m")\n', unchanged=True),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield engines without a seed."""
        change = default_change("seed", context)
        if change is None or not is_rl(context.project):
            return
        for call, written in calls_with(file, "seed"):
            if written is None:
                yield make_finding(
                    self,
                    file,
                    call.callee,
                    f"{built(call)}(...) without seed: {change.fact.because}",
                    fact=change.fact,
                    certainty=call.certainty,
                )
