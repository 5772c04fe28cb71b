"""Which methods of engines are called, and what takes the place of those that are gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.edits.model import ReplaceExpression, Safety
from vllm_migrate.facts.model import Remedy
from vllm_migrate.files.located import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Edit
    from vllm_migrate.facts.model import Fact, State
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Certainty
    from vllm_migrate.rules.methods.set_tokenizer import Dropped

_ENGINES = (("llm_engine",), ("engine",))
"""How an `LLM` and an asynchronous engine name the engine inside."""


def called(file: FileFacts) -> Iterator[tuple[str, Span, Span, Certainty]]:
    """Methods of engines that are called, those of the engine inside an engine among them.

    Each with its callee and the whole call, once.
    """
    inside = set()
    for chain in file.chains:
        if chain.attributes in _ENGINES:
            for inner in chain.method_calls:
                inside.add(inner.span)
                callee = Span(inner.span.start, inner.arguments_span.start - 1)
                yield f"LLMEngine.{inner.method}", callee, inner.span, chain.certainty
    for call in file.calls:
        if call.target.startswith("vllm.") and not call.dead and call.span not in inside:
            yield call.target.removeprefix("vllm."), call.callee, call.span, call.certainty


def instead(
    file: FileFacts, method: str, callee: Span, call: Span, found: tuple[Fact, State]
) -> tuple[tuple[Edit, ...], Safety | None, str]:
    """The edits that make a call unnecessary or another one, their safety and what must hold for it.

    No edits where a person has to decide; no safety and no precondition where those of the fact hold.

    Args:
        file: where the call stands.
        method: "LLM.set_tokenizer".
        callee: what is called, `llm.set_tokenizer`.
        call: the whole call.
        found: the fact about the method, and its state on the target.
    """
    fact, state = found
    if fact.id == "set-tokenizer":
        unset = _unset(file, call)
        return (unset.edits, Safety.UNSAFE, unset.precondition) if unset is not None else ((), None, "")
    return _read_instead(file, method, callee, call, state), None, ""


def _read_instead(
    file: FileFacts, method: str, callee: Span, call: Span, state: State
) -> tuple[ReplaceExpression, ...]:
    """`engine.model_config` for `engine.get_model_config()`; of a coroutine with its `await`.

    Of the engine inside an asynchronous one, which no target has that lacks the method, the attribute of the
    outer engine: `engine.model_config` for `engine.engine.get_model_config()`.
    """
    old = method.rpartition(".")[2]
    written = file.text(callee)
    if state.remedy is not Remedy.RENAME or not written.endswith(f".{old}"):
        return ()
    outer = _outer_engine(file, call)
    if outer is not None:
        direct = written == f"{outer}.engine.{old}"
        return (ReplaceExpression(call, f"{outer}.{state.to}"),) if direct else ()
    if method.startswith("AsyncLLMEngine."):
        before = file.source[: call.start].rstrip()
        if not before.endswith(b"await"):
            return ()  # whoever awaits it later would await a configuration
        call = Span(len(before) - len(b"await"), call.end)
    return (ReplaceExpression(call, f"{written.removesuffix(old)}{state.to}"),)


def _outer_engine(file: FileFacts, call: Span) -> str | None:
    """The asynchronous engine whose inner one is called there, as text; None where none is."""
    for chain in file.chains:
        if chain.attributes == ("engine",) and any(inner.span == call for inner in chain.method_calls):
            return chain.root
    return None


def _unset(file: FileFacts, span: Span) -> Dropped | None:
    """What takes a `set_tokenizer`'s place."""
    from vllm_migrate.rules.methods.set_tokenizer import dropped  # noqa: PLC0415 - few files set one

    call = next((call for call in file.calls if call.span == span), None)
    return dropped(file, call) if call is not None else None
