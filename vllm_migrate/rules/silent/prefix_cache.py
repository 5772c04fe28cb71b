"""VM702: prefixes cached over a weight update."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.engines import built
from vllm_migrate.rules.finding import make_finding
from vllm_migrate.rules.silent.apart import is_apart, is_beside_training, is_of_a_script_alone
from vllm_migrate.rules.silent.defaults import (
    add,
    cache_turned_off,
    calls_with,
    default_change,
    is_passed_on,
    setting,
)
from vllm_migrate.rules.silent.fed import updates_reach
from vllm_migrate.rules.silent.held import keeps_weights
from vllm_migrate.rules.silent.slept import SLEEP_EMPTIES, Slept, slept_before_updates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.rules.base import Context

_HEAD = "from vllm import LLM\n\n\ndef build(weights):\n"
_SET = "async_scheduling=False, seed=1"
_SYNC = '    llm.collective_rpc("update_weight", args=(weights,))\n    return llm\n'


class PrefixCacheOverWeightUpdate(Rule):
    """The weights of an engine change while it keeps cached prompt prefixes of the old ones.

    ## What it does
    Adds `enable_prefix_caching=False` where an engine is built in a project that changes the weights of
    running engines, as V0 had it. With `recipe = "fast"` the cache stays on, and missing-cache-reset puts a
    reset behind each weight update it can locate; where there is none, the reset is written out here.

    Silent for an engine that keeps the weights it was built with: it stays in the function or class that
    builds it, which only sends it requests, or it belongs to code that only tests or evaluates a model. So it
    is where nothing leads from the engine to a trainer: the file doesn't train or change weights, its place
    doesn't say so, and nothing that does imports it. An engine that sleeps before each update has an empty
    cache: nothing is said where it is woken in the function that changes the weights, and where it can sleep
    and is woken elsewhere it is a note.

    ## Why it matters
    V1 caches by default and no weight update clears the cache. GRPO repeats its prompts, so the next
    rollouts read keys and values of the old policy, for prompts only, too little to see in the loss.

    ## Fix safety
    Safe where the argument was not written. Where it was written, or the project resets the cache already,
    this is reported only.
    """

    code = "VM702"
    name = "prefix-cache-over-weight-update"
    summary = "cached prefixes outlive a weight update"
    level = Level.WARNING
    safety = Safety.SAFE
    examples = (
        Example(
            before=f'{_HEAD}    llm = LLM("m", {_SET})\n{_SYNC}',
            after=f'{_HEAD}    llm = LLM("m", {_SET}, enable_prefix_caching=False)\n{_SYNC}',
        ),
        Example(before=f'{_HEAD}    llm = LLM("m", enable_prefix_caching=True, {_SET})\n{_SYNC}'),
        Example(
            before=f'{_HEAD}    llm = LLM("m", enable_prefix_caching=False, {_SET})\n{_SYNC}',
            unchanged=True,
        ),
        Example(before='from vllm import LLM\n\n\ndef build():\n    return LLM("m")\n', unchanged=True),
        Example(
            before=(
                "from vllm import LLM\n\n\ndef sync(llm, weights):\n"
                '    llm.collective_rpc("update_weight", args=(weights,))\n\n\n'
                "def score(prompts, params):\n"
                f'    judge = LLM("judge", {_SET})\n    return judge.generate(prompts, params)\n'
            ),
            unchanged=True,
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield engines whose cache outlives their weights."""
        change = default_change("prefix-caching", context)
        use = context.project
        if change is None or not use.syncs_weights or is_apart(file, context):
            return
        if not updates_reach(file, context):
            return
        fast = context.recipe == "fast"
        if fast and (use.updates_located or use.resets_cache):
            return
        name, _ = setting(change)
        for call, written in calls_with(file, name):
            if written is not None and (written.value.literal is False or use.resets_cache):
                continue
            if is_passed_on(call, name, context) or (use.resets_cache and not _forgets_reset(file)):
                continue
            if written is not None and written.value.literal is not True and cache_turned_off(file, context):
                continue
            if keeps_weights(file, call, context) or is_beside_training(file, call, context):
                continue
            if is_of_a_script_alone(file, call, context):
                continue
            slept = slept_before_updates(call, context)
            if slept is Slept.YES:
                continue
            what = f"{name}={written.value.source}" if written else f"no {name}"
            message = f"{built(call)}(...) with {what}: {change.fact.because}"
            if slept is Slept.MAYBE:
                message += SLEEP_EMPTIES
            keep = use.resets_cache or fast or written is not None
            yield make_finding(
                self,
                file,
                call.callee,
                message,
                fact=change.fact,
                level=Level.NOTE if use.resets_cache or slept is Slept.MAYBE else None,
                edits=() if keep else add(call, change),
                advice=f"{change.fact.advice}, or {name}=False",
                certainty=call.certainty,
            )


def _forgets_reset(file: FileFacts) -> bool:
    """Whether this file changes weights and doesn't reset, though another file of the project does."""
    return file.use.syncs_weights and not file.use.resets_cache
