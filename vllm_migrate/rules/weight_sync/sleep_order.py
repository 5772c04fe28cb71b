"""VM508: sleeping, waking and loading weights in an order that loses them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.facts.model import Engine, Subject
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.engines import engine_calls
from vllm_migrate.rules.finding import make_finding, since
from vllm_migrate.rules.weight_sync.idle import is_idle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Argument, Call
    from vllm_migrate.files.weight_sync import WeightUpdate
    from vllm_migrate.rules.base import Context

_DISCARDS = 2
"""The level at which vLLM throws the weights away."""
_HEAD = "from vllm import LLM\n\n\n"
_SYNC = '    llm.collective_rpc("load_weights", args=(path,))\n'


class SleepOrder(Rule):
    """An engine sleeps and wakes around a weight update, or without one where it needs it.

    ## What it does
    Reports weights that are loaded while the engine sleeps; a sleep at level 2, which throws the weights
    away, in a project that never loads any; an asynchronous engine's `sleep()`, which ends the requests that
    are running since vLLM 0.17.0; and a `wake_up()` before a weight update that wakes the KV cache, too. What
    to write is given with the names of the code. Of engines that are built without `enable_sleep_mode` in the
    same file nothing of this is said: their `sleep()` is a note.

    ## Why it matters
    Loading into a sleeping engine writes to memory it has given back. After level 2 the engine answers from
    whatever lies in its memory: it raises nothing. Requests ended by `sleep()` come back as if they were
    finished, and train as short answers.

    ## Fix safety
    Manual: which of the trainer's steps the engine should sleep through is for a person to say.
    """

    code = "VM508"
    name = "sleep-order"
    summary = "sleep, wake-up and weight update in an order that loses something"
    level = Level.WARNING
    safety = Safety.MANUAL
    examples = (
        Example(
            before=(
                f"{_HEAD}def sync(llm: LLM, path):\n"
                f"    llm.sleep(level=1)\n{_SYNC}    llm.wake_up()\n    llm.reset_prefix_cache()\n"
            ),
        ),
        Example(
            before=(
                f"{_HEAD}def sync(llm: LLM, prompts):\n"
                "    llm.sleep(level=2)\n    llm.wake_up()\n    return llm.generate(prompts)\n"
            ),
        ),
        Example(
            before=(
                "from vllm import AsyncLLMEngine\n\n\n"
                "async def rest(engine: AsyncLLMEngine):\n    await engine.sleep(level=1)\n"
            ),
        ),
        Example(
            before=f"{_HEAD}def sync(llm: LLM, path):\n    llm.wake_up()\n{_SYNC}",
        ),
        Example(
            before=(
                f'{_HEAD}class Judge:\n    def __init__(self):\n        self.llm = LLM("m")\n'
                "        self.llm.sleep(2)\n\n    def judge(self, prompts):\n        self.llm.wake_up()\n"
                "        return self.llm.generate(prompts)\n"
            ),
        ),
        Example(
            before=(
                f"{_HEAD}def sync(llm: LLM, path):\n"
                '    llm.wake_up(tags=["weights"])\n'
                f'{_SYNC}    llm.wake_up(tags=["kv_cache"])\n'
            ),
            unchanged=True,
        ),
        Example(
            before=(
                "from vllm import AsyncLLMEngine\n\n\n"
                "async def rest(engine: AsyncLLMEngine):\n"
                "    if not engine.engine.has_unfinished_requests():\n        await engine.sleep(level=1)\n"
            ),
            unchanged=True,
        ),
        Example(
            before=(
                "from vllm import AsyncLLMEngine\n\n\n"
                'async def rest(engine: AsyncLLMEngine):\n    await engine.sleep(level=1, mode="wait")\n'
            ),
            unchanged=True,
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield sleeps and wake-ups in a wrong order."""
        sleeps = [call for call in file.calls if _is(call, "sleep")]
        wakes = [call for call in file.calls if _is(call, "wake_up")]
        if sleeps and _never_sleeps(file):
            yield from self._awake(file, sleeps, context)
            return
        for update in file.updates:
            if not update.dead:
                yield from self._update(file, update, sleeps, wakes)
        for call in sleeps:
            yield from self._sleep(file, call, context)

    def _awake(self, file: FileFacts, sleeps: list[Call], context: Context) -> Iterator[Finding]:
        """The sleeps of an engine that can't: V0 refuses them, V1 gives no memory back and says nothing."""
        if context.source.engine is Engine.V1:
            return
        for call in sleeps:
            loses = _level(call) == _DISCARDS and not context.project.syncs_weights
            yield make_finding(
                self,
                file,
                call.span,
                f"{call.receiver}.sleep() frees no memory on V1: the engine is built without "
                "enable_sleep_mode, which V0 refuses",
                level=Level.NOTE,
                advice="enable_sleep_mode=True where it is built"
                + (", and level=1 here: nothing loads the weights again" if loses else ""),
                certainty=call.certainty,
            )

    def _update(
        self, file: FileFacts, update: WeightUpdate, sleeps: list[Call], wakes: list[Call]
    ) -> Iterator[Finding]:
        """What is wrong with the sleeps and wake-ups in the function that updates the weights."""
        engine = update.engine
        slept = _last_before(sleeps, update)
        woken = _last_before(wakes, update)
        wake = f"{_await(update)}{engine}.wake_up"
        tagged = f'{wake}(tags=["weights"]) before the update, {wake}(tags=["kv_cache"]) after it'
        if slept is not None and (woken is None or woken.span < slept.span):
            yield make_finding(
                self,
                file,
                update.span,
                f"{engine} sleeps while its weights are loaded: they go into memory it has given back",
                level=Level.ERROR,
                advice=tagged,
                certainty=update.certainty,
            )
        elif woken is not None and not woken.arguments and not woken.positional:
            yield make_finding(
                self,
                file,
                woken.span,
                f"{engine}.wake_up() takes the KV cache's memory back before the weights are loaded",
                level=Level.NOTE,
                advice=tagged,
                certainty=woken.certainty,
            )

    def _sleep(self, file: FileFacts, call: Call, context: Context) -> Iterator[Finding]:
        value = _level(call)
        engine = call.receiver
        if value == _DISCARDS and not context.project.syncs_weights:
            yield make_finding(
                self,
                file,
                call.span,
                f"{engine} sleeps at level 2, which throws the weights away, and nothing loads them again",
                advice=f'{engine}.collective_rpc("reload_weights") after '
                f'{engine}.wake_up(tags=["weights"]), or level=1',
                certainty=call.certainty,
            )
        change = context.facts.change(Subject.BEHAVIOUR, "sleep-aborts", context.source, context.target)
        is_async = call.target.startswith("vllm.AsyncLLMEngine.")
        asks = change is not None and is_async and call.argument("mode") is None and not call.open_ended
        if change is not None and asks and not is_idle(file, call):
            yield make_finding(
                self,
                file,
                call.span,
                f"{engine}.sleep() without mode: {change.fact.because} ({since(change.after).lstrip()})",
                fact=change.fact,
                level=Level.NOTE,
                advice=f'await {engine}.sleep(level={value!r}, mode="wait"), or mode="keep"'
                if isinstance(value, int)
                else 'mode="wait" or mode="keep"',
                certainty=call.certainty,
            )


def _is(call: Call, method: str) -> bool:
    return call.target.startswith("vllm.") and call.target.endswith(f".{method}") and not call.dead


def _level(call: Call) -> object:
    """The level of a `sleep()` as far as it is written; 1 where it is left out."""
    level = call.argument("level")
    return level.value.literal if level else call.positional[0][0].literal if call.positional else 1


def _never_sleeps(file: FileFacts) -> bool:
    """Whether all engines of a file are seen to be built without sleep mode, which is off by default."""
    engines = list(engine_calls(file))
    return bool(engines) and not any(
        call.open_ended or _may_be_on(call.argument("enable_sleep_mode")) for call in engines
    )


def _may_be_on(written: Argument | None) -> bool:
    return written is not None and written.value.literal is not False


def _last_before(calls: list[Call], update: WeightUpdate) -> Call | None:
    """The last of some calls before an update of the same engine in the same function."""
    before = [
        call
        for call in calls
        if call.function == update.function
        and call.span < update.span
        and " ".join(call.receiver.split()) == update.engine
    ]
    return max(before, key=lambda call: call.span, default=None)


def _await(update: WeightUpdate) -> str:
    return "await " if update.owner == "vllm.AsyncLLMEngine" else ""
