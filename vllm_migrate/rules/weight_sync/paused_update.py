"""VM509: weights change while requests are running."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.facts.model import Engine, Subject
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding, since
from vllm_migrate.rules.weight_sync.idle import is_idle, is_used_without_await, sleeps_next

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.rules.base import Context

_PAUSES = Version("0.12.0")  # AsyncLLM.pause_generation and resume_generation
_HAS_MODES = Version("0.16.0")  # mode= in place of wait_for_inflight_requests=
_HEAD = "from vllm import AsyncLLMEngine\n\n\nasync def sync(engine: AsyncLLMEngine, path):\n"
_UPDATE = '    await engine.collective_rpc("load_weights", args=(path,))\n'


class PausedUpdate(Rule):
    """An asynchronous engine gets new weights, and nothing keeps requests from running meanwhile.

    ## What it does
    Writes out the pause and the resumption that the target offers, with the names of the code. A pause that
    keeps the cache (`clear_cache=False`) before a weight update is reported, and so is a reset of the cache
    of an engine that is never paused, without `reset_running_requests=True`: it is refused, with a warning
    in the log, while any request holds a block. None does where the code has just asked for unfinished
    requests, nor does it matter right before `sleep()`, which empties the cache itself.

    ## Why it matters
    A request that is running during the update is sampled by two policies, and by keys and values of the
    old one to its end: its log-probabilities are neither policy's. On V0 loops used locks of their own for
    that; V1's engine runs on in its own process whatever the trainer holds.

    ## Fix safety
    Manual: whether running requests should be waited for (`mode="wait"`), thrown away (`"abort"`) or go on
    under the new weights (`"keep"`) belongs to the algorithm.
    """

    code = "VM509"
    name = "paused-update"
    summary = "weights change while requests are running"
    level = Level.NOTE
    safety = Safety.MANUAL
    examples = (
        Example(before=_HEAD + _UPDATE),
        Example(before=_HEAD + _UPDATE, target="0.15.1"),
        Example(
            before=(
                f'{_HEAD}    await engine.pause_generation(mode="keep", clear_cache=False)\n{_UPDATE}'
                "    await engine.resume_generation()\n"
            ),
        ),
        Example(
            before=(
                f'{_HEAD}    await engine.pause_generation(mode="wait")\n{_UPDATE}'
                "    await engine.resume_generation()\n"
            ),
            unchanged=True,
        ),
        Example(
            before=f"{_HEAD}    await engine.reset_prefix_cache()\n",
        ),
        Example(
            before=f"{_HEAD}    await engine.reset_prefix_cache(reset_running_requests=True)\n",
            unchanged=True,
        ),
        Example(
            before=(
                f"{_HEAD}    if not engine.engine.has_unfinished_requests():\n"
                "        await engine.reset_prefix_cache()\n"
            ),
            unchanged=True,
        ),
        Example(
            before=f"{_HEAD}    await engine.reset_prefix_cache()\n    await engine.sleep()\n",
            unchanged=True,
        ),
        Example(before=_HEAD + _UPDATE, unchanged=True, target="0.11.0"),
        Example(
            before=(
                "from vllm import LLM\n\n\ndef sync(llm: LLM, path):\n"
                '    llm.collective_rpc("load_weights", args=(path,))\n'
            ),
            unchanged=True,
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield updates of asynchronous engines without a pause, and pauses that keep the cache."""
        if context.target.version < _PAUSES:
            return
        mode = 'mode="wait"' if context.target.version >= _HAS_MODES else "wait_for_inflight_requests=True"
        if context.source.engine is not Engine.V1 and not context.project.pauses:
            for update in file.updates:
                if not update.owner.endswith("AsyncLLMEngine") or update.woken or update.dead:
                    continue
                engine = update.engine
                yield make_finding(
                    self,
                    file,
                    update.span,
                    f"nothing pauses {engine} while its weights change: requests that run then are sampled "
                    "by two policies",
                    advice=f"where any can run then, await {engine}.pause_generation({mode}) before the "
                    f"update, await {engine}.resume_generation() after it",
                    certainty=update.certainty,
                )
        yield from self._refused(file, context)
        if not file.updates:
            return
        for call in file.calls:
            kept = call.argument("clear_cache")
            if (
                call.target.endswith(".pause_generation")
                and kept is not None
                and kept.value.literal is False
                and not call.dead
            ):
                yield make_finding(
                    self,
                    file,
                    kept.span,
                    f"{call.receiver} is paused for a weight update with its cache kept: the old policy's "
                    "keys and values answer for the new one",
                    level=Level.WARNING,
                    advice=f"leave clear_cache out, or await {call.receiver}.reset_prefix_cache() after it",
                    certainty=call.certainty,
                )

    def _refused(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield resets of the prefix cache that running requests keep from happening."""
        change = context.facts.change(
            Subject.BEHAVIOUR, "refused-cache-reset", context.source, context.target
        )
        for call in file.calls if change is not None and not context.project.pauses else ():
            if (
                change is None
                or not call.target.endswith("AsyncLLMEngine.reset_prefix_cache")
                or call.dead
                or call.positional
                or call.argument("reset_running_requests") is not None
                or is_used_without_await(file, call)
                or sleeps_next(file, call)
                or is_idle(file, call)
            ):
                continue
            yield make_finding(
                self,
                file,
                call.span,
                f"{file.text(call.callee)}() may do nothing{since(change.after)}: {change.fact.because}",
                fact=change.fact,
                level=Level.NOTE,
                advice="where requests can be running, "
                f"await {file.text(call.callee)}(reset_running_requests=True), or pause first",
                certainty=call.certainty,
            )
