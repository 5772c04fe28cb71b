"""VM706: a weight update that leaves the prefix cache as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from vllm_migrate.edits.model import InsertStatement, Level, Safety
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding
from vllm_migrate.rules.silent.defaults import cache_turned_off, default_change
from vllm_migrate.rules.silent.fed import is_test
from vllm_migrate.rules.silent.slept import SLEEP_EMPTIES, may_sleep_before_updates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Edit, Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.use import Use
    from vllm_migrate.files.weight_sync import WeightUpdate
    from vllm_migrate.rules.base import Context

_RESETS_UNDER_LOAD = Version("0.12.0")  # reset_running_requests=; before, a reset under load does nothing
_PRECONDITION = "nothing is generated while the weights change: a reset is refused while blocks are in use"
_HEAD = "from vllm import LLM\n\n\n"
_BUILD = (
    "class Trainer:\n"
    "    def __init__(self):\n"
    '        self.llm = LLM("m", enable_prefix_caching=True)\n'
    "\n"
    "    def sync(self, policy):\n"
)
_LOOP = (
    "        for name, tensor in policy.named_parameters():\n"
    '            self.llm.collective_rpc("update_weight", args=(name, tensor.shape))\n'
)


class MissingCacheReset(Rule):
    """An engine with a prefix cache gets new weights and keeps the keys and values of the old ones.

    ## What it does
    Inserts `reset_prefix_cache()` behind the last tensor of a weight update: after the loop over the tensors,
    in the caller's loop where a method sends one tensor, under the conditions and for all the engines the
    update itself is for. An asynchronous engine's reset is awaited.

    It speaks where the engine keeps its cache: `enable_prefix_caching` was written and is not `False`, it may
    come from arguments that can't be followed, or the recipe is "fast", which leaves V1's cache on. With the
    recipe "parity" engines that don't say are mended where they are built (prefix-cache-over-weight-update).

    Silent in tests, where a method or route beside the update resets the cache, by its name or before it
    puts the engine to sleep, and where the project turns the cache off as soon as its command line asks for
    it.

    ## Why it matters
    No weight update clears the cache, whichever way the weights take. GRPO repeats its prompts, so the next
    rollouts read keys and values of the old policy, for prompts only, too little to see in the loss.

    ## Fix safety
    Unsafe: where an update ends is inferred, and a reset does nothing while requests are running. Where the
    end can't be seen (the call's result is returned, or its callers are in other files) the line to write is
    given. An engine that is woken before the update has an empty cache: nothing is reported. Where engines
    of the project can sleep and are woken elsewhere it is a note.
    """

    code = "VM706"
    name = "missing-cache-reset"
    summary = "a weight update leaves the prefix cache as it is"
    level = Level.WARNING
    safety = Safety.UNSAFE
    examples = (
        Example(
            before=_HEAD + _BUILD + _LOOP,
            after=_HEAD + _BUILD + _LOOP + "        self.llm.reset_prefix_cache()\n",
            unsafe=True,
        ),
        Example(
            before=(
                "from vllm import AsyncEngineArgs, AsyncLLMEngine\n\n\n"
                "async def sync(names):\n"
                '    args = AsyncEngineArgs("m", enable_prefix_caching=True)\n'
                "    engine = AsyncLLMEngine.from_engine_args(args)\n"
                "    for name in names:\n"
                '        await engine.collective_rpc("update_weight", args=(name,))\n'
            ),
            after=(
                "from vllm import AsyncEngineArgs, AsyncLLMEngine\n\n\n"
                "async def sync(names):\n"
                '    args = AsyncEngineArgs("m", enable_prefix_caching=True)\n'
                "    engine = AsyncLLMEngine.from_engine_args(args)\n"
                "    for name in names:\n"
                '        await engine.collective_rpc("update_weight", args=(name,))\n'
                "    await engine.reset_prefix_cache(reset_running_requests=True)\n"
            ),
            unsafe=True,
        ),
        Example(
            before=(
                f"{_HEAD}def sync(llm: LLM, rank, weights):\n"
                "    for name, tensor in weights:\n"
                "        if rank == 0:\n"
                "            model = llm.llm_engine.model_executor.driver_worker.model_runner.model\n"
                "            model.load_weights([(name, tensor)])\n"
            ),
            after=(
                f"{_HEAD}def sync(llm: LLM, rank, weights):\n"
                "    for name, tensor in weights:\n"
                "        if rank == 0:\n"
                "            model = llm.llm_engine.model_executor.driver_worker.model_runner.model\n"
                "            model.load_weights([(name, tensor)])\n"
                "    if rank == 0:\n"
                "        llm.reset_prefix_cache()\n"
            ),
            unsafe=True,
        ),
        Example(
            before=(
                _HEAD
                + _BUILD
                + '        return self.llm.collective_rpc("load_weights", args=(policy.path,))\n'
            ),
        ),
        Example(
            before=_HEAD + _BUILD + _LOOP + "        self.llm.reset_prefix_cache()\n",
            unchanged=True,
        ),
        Example(
            before=_HEAD + _BUILD.replace("=True", "=False") + _LOOP,
            unchanged=True,
        ),
        Example(
            before=_HEAD + _BUILD + _LOOP,
            unchanged=True,
            source="v1@0.12.0",
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield weight updates without a reset."""
        change = default_change("prefix-caching", context)
        if change is None or not file.updates or is_test(file.path) or not keeps_cache(file.use, context):
            return
        if cache_turned_off(file, context):
            return
        for update in file.updates:
            if update.reset or update.dead or update.woken:
                continue  # an engine that had to be woken slept, and sleep empties its cache
            code = _reset(update, context)
            message = f"the weights of {update.engine} change and its prefix cache is not reset"
            because = change.fact.because
            asleep = may_sleep_before_updates(context)
            if asleep:
                because += SLEEP_EMPTIES
            edits: tuple[Edit, ...] = ()
            if update.point is not None and code:
                edits = (InsertStatement(update.point, _under(update.headers, code)),)
            yield make_finding(
                self,
                file,
                update.span,
                f"{message}: {because}",
                fact=change.fact,
                level=Level.NOTE if asleep else None,
                safety=Safety.UNSAFE,
                edits=edits,
                advice=_advice(update, code),
                precondition=_PRECONDITION,
                certainty=update.certainty,
            )


def keeps_cache(use: Use, context: Context) -> bool:
    """Whether the engine has a prefix cache still once the other rules have had their say.

    The engines that count are those built in the same file, else those of the whole project; where none is in
    sight, vLLM's default holds. One that says nothing gets `enable_prefix_caching=False` from the parity
    recipe, unless the project resets caches or its arguments can't be followed.

    Args:
        use: of the file that updates the weights.
        context: for the project's use and the recipe.
    """
    if not (use.cache_on or use.cache_off or use.cache_default or use.cache_open):
        use = context.project
    if use.cache_on or use.cache_open:
        return True
    if use.cache_default:
        return context.recipe == "fast" or context.project.resets_cache
    return not use.cache_off


def _reset(update: WeightUpdate, context: Context) -> str:
    """The call that resets the cache, "" where it can't be written for sure."""
    call = f"{update.engine}.reset_prefix_cache"
    if update.owner.startswith("ray:"):
        return f"ray.get({call}.remote())" if not update.is_async else f"await {call}.remote()"
    if update.owner == "vllm.AsyncLLMEngine":
        running = "reset_running_requests=True" if context.target.version >= _RESETS_UNDER_LOAD else ""
        return f"await {call}({running})" if update.is_async else ""
    return f"{call}()" if update.owner else ""


def _under(headers: tuple[str, ...], code: str) -> str:
    """A statement under its headers, each four columns further in."""
    lines = [f"{'    ' * depth}{text}" for depth, text in enumerate((*headers, code))]
    return "\n".join(lines)


def _advice(update: WeightUpdate, code: str) -> str:
    code = code or f"{update.engine}.reset_prefix_cache(), awaited where the engine is asynchronous,"
    where = update.function.rpartition(".")[2]
    if update.unclear == "one-tensor":
        return f"{code} after the last tensor, in what calls {where} for each of them"
    if update.unclear == "returned":
        return f"{code} before {where} returns, or in its callers after the last tensor"
    return f"{code} after the last tensor of the update"
