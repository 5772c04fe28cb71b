"""VM490: a method, or an argument of a call, that the target doesn't have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.facts.model import Remedy
from vllm_migrate.files.located import Span
from vllm_migrate.rules.backstop.absent import is_expected, is_made, level_of, sentence
from vllm_migrate.rules.backstop.instead import of_method, of_parameter
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding
from vllm_migrate.rules.methods.gone import changed_parameter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.facts.surface.compare import Absence
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Call, Certainty
    from vllm_migrate.rules.base import Context

_INNER = frozenset({"llm_engine", "engine"})
"""Attributes of an engine that are an `LLMEngine`."""

_HANDS_ON = {"vllm.v1.worker.worker_base.WorkerWrapperBase": ("vllm.v1.worker.gpu_worker.Worker",)}
"""Classes that take what they lack from an object of another (`__getattr__` in worker_base.py)."""


class UnknownMethodOrArgument(Rule):
    """A method or an argument is used that the target's API doesn't have, and no other rule has reported it.

    ## What it does
    Looks up methods called on objects of vLLM's, and the keywords of all calls into vLLM, in the API of the
    target, as it was extracted from its wheel.

    ## Why it matters
    The call raises an AttributeError or a TypeError. What no release before the target had is a warning:
    probably a slip, or code for another version.

    ## Fix safety
    Left to a person. A class that moved may have left methods behind; its import is rewritten, they are not.
    """

    code = "VM490"
    name = "unknown-method-or-argument"
    summary = "a method or an argument of a call that the target lacks"
    level = Level.ERROR
    safety = Safety.MANUAL
    backstop = True
    examples = (
        Example(before='from vllm import LLM\n\nllm = LLM("m")\nllm.set_tokenizer(None)\n'),
        Example(
            before=(
                "from vllm import LLM\n\n\ndef forget():\n"
                '    llm = LLM("m")\n'
                '    llm.reset_prefix_cache(device="cpu")\n'
            ),
        ),
        Example(
            before=(
                "from vllm.worker.worker_base import WorkerWrapperBase\n\n\ndef wake(config):\n"
                "    wrapper = WorkerWrapperBase(vllm_config=config)\n"
                '    wrapper.execute_method("wake_up")\n'
            ),
        ),
        Example(before='from vllm import LLM\n\nllm = LLM("m")\nllm.reset_prefix_cache()\n', unchanged=True),
        Example(
            before=(
                "from vllm import LLM\n\n\nclass Mine(LLM):\n    def score_all(self):\n        return 1\n\n\n"
                'Mine("m").score_all()\n'
            ),
            unchanged=True,
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield methods and arguments the target lacks."""
        for call in file.calls:
            if not call.target.startswith("vllm.") or call.dead:
                continue
            absence = context.api.name(call.target)
            if absence is None:
                yield from self._arguments(file, call, context)
            elif _is_method(call.target, absence, context):
                yield from self._method(file, call.target, call.callee, call.certainty, absence, context)
        for chain in file.chains:
            if len(chain.attributes) == 1 and chain.attributes[0] in _INNER:
                for inner in chain.method_calls:
                    target = f"vllm.LLMEngine.{inner.method}"
                    absence = context.api.name(target)
                    if absence is not None and absence.last:
                        callee = Span(inner.span.start, inner.arguments_span.start - 1)
                        yield from self._method(file, target, callee, chain.certainty, absence, context)

    def _method(  # noqa: PLR0917 (what a call and a walk into an engine have in common)
        self,
        file: FileFacts,
        target: str,
        callee: Span,
        certainty: Certainty,
        absence: Absence,
        context: Context,
    ) -> Iterator[Finding]:
        owner, _, method = target.rpartition(".")
        level = level_of(absence, certainty, expected=is_expected(file, method))
        if level is not None and not is_made(file, method):
            yield make_finding(
                self,
                file,
                callee,
                sentence(f"{_short(target)}()", absence, context.api),
                level=level,
                advice=of_method(_owner_now(owner, context), method, absence, context),
                certainty=certainty,
            )

    def _arguments(self, file: FileFacts, call: Call, context: Context) -> Iterator[Finding]:
        if any(one.context == "assign" and one.qualified == call.target for one in file.references):
            return  # the file puts a class of its own there
        for argument in call.arguments:
            if argument.owner in ("engine", "sampling") or argument.dead:
                continue
            if changed_parameter(argument, context):
                continue
            name = argument.name
            absence = context.api.parameter((call.target,), name)
            if absence is None:
                continue
            level = level_of(absence, argument.certainty, expected=is_expected(file, name))
            if level is not None:
                yield make_finding(
                    self,
                    file,
                    argument.span,
                    sentence(f"{name} of {_short(call.target)}()", absence, context.api),
                    level=level,
                    advice=of_parameter(call, name, absence, context),
                    certainty=argument.certainty,
                )


def _is_method(target: str, absence: Absence, context: Context) -> bool:
    """Whether a class lacks it that the target has, here or where it moved.

    What a module lacks, and a class that is nowhere, is an import's or a name's matter.
    """
    owner, _, method = target.rpartition(".")
    place = context.api.surface.locate(owner)
    if place is not None:
        return bool(place.path)
    moved = context.facts.import_state(owner, context.target)
    if moved is None or moved[1].remedy is not Remedy.MOVE or moved[0].name != owner or not absence.last:
        return False
    now = moved[1].to
    return (
        context.api.surface.has(now)
        and context.api.member((now, *_HANDS_ON.get(now, ())), method) is not None
    )


def _owner_now(owner: str, context: Context) -> str:
    """The class as the target has it: where it moved, if it did."""
    if context.api.surface.locate(owner) is not None:
        return owner
    moved = context.facts.import_state(owner, context.target)
    return moved[1].to if moved is not None else owner


def _short(target: str) -> str:
    """`LLM.generate` for a method, the whole name for a function."""
    parts = target.split(".")
    return ".".join(parts[-2:]) if len(parts) > 2 and parts[-2][:1].isupper() else target  # noqa: PLR2004 (package, class, method)
