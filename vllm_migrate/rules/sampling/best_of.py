"""VM308: more sequences are sampled than returned, which V1 doesn't do."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import (
    AddArgument,
    InsertStatement,
    Level,
    RemoveArgument,
    RenameArgument,
    Safety,
)
from vllm_migrate.facts.model import Subject
from vllm_migrate.files.located import UNRESOLVED, Form
from vllm_migrate.files.python import parse_python
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding, one_line, since

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Edit, Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Argument, Call, Span
    from vllm_migrate.rules.base import Context

NAME = "best_of"
_EXTRA, _KEPT = "extra_args", "kept"
_GENERATES = ("vllm.LLM.generate", "vllm.LLM.chat")
_RANKED = (
    "for output in {outputs}:\n"
    "    output.outputs.sort(key=lambda sample: sample.cumulative_logprob, reverse=True)\n"
    "    del output.outputs[{kept}:]\n"
)
_HEAD = "from vllm import LLM, SamplingParams\n\n\ndef best(llm: LLM, prompts):\n"
_ASYNC = ("vllm.AsyncLLMEngine", "vllm.AsyncEngineArgs")
_TOGETHER = ", which come together in the final output alone: output_kind=RequestOutputKind.FINAL_ONLY"


class BestOf(Rule):
    """`best_of` asks for more sequences than come back: the engine chose the likeliest.

    ## What it does
    Samples `best_of` sequences as `n`, asks for the log-probabilities the choice takes, and behind the one
    call of `generate()` or `chat()` sorts each prompt's outputs by `cumulative_logprob` and keeps the first
    `n`, as V0 did. Where `n` isn't in sight there, the parameters carry it in `extra_args`.

    ## Why it matters
    `SamplingParams(best_of=...)` raises a TypeError. Where the argument is merely dropped, one sample comes
    back as it was drawn, and whatever was filtered or trained on the likeliest sees another distribution.

    ## Fix safety
    Unsafe: V0 added up the log-probabilities of the distribution it sampled from; V1 does so only with
    `logprobs_mode="processed_logprobs"`. Several calls that generate, outputs that no
    name is bound to, and parameters built from a dictionary are left to a person.
    """

    code = "VM308"
    name = "best-of"
    summary = "the likeliest of several sequences are no longer chosen"
    level = Level.ERROR
    safety = Safety.UNSAFE
    examples = (
        Example(
            before=(
                f"{_HEAD}    params = SamplingParams(n=1, best_of=4, temperature=0.7)\n"
                "    outputs = llm.generate(prompts, params)\n"
                "    return [output.outputs[0].text for output in outputs]\n"
            ),
            after=(
                f"{_HEAD}    params = SamplingParams(n=4, temperature=0.7, logprobs=0)\n"
                "    outputs = llm.generate(prompts, params)\n"
                "    for output in outputs:\n"
                "        output.outputs.sort(key=lambda sample: sample.cumulative_logprob, reverse=True)\n"
                "        del output.outputs[1:]\n"
                "    return [output.outputs[0].text for output in outputs]\n"
            ),
            unsafe=True,
        ),
        Example(before="from vllm import SamplingParams\n\nparams = SamplingParams(n=1, best_of=4)\n"),
        Example(before="from vllm import SamplingParams\n\nparams = SamplingParams(n=4)\n", unchanged=True),
        Example(
            before="from vllm import SamplingParams\n\nparams = SamplingParams(n=1, best_of=1)\n",
            unchanged=True,
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield where more is sampled than returned."""
        found = context.facts.on_target(Subject.SAMPLING_ARGUMENT, NAME, context.target)
        if found is None:
            return
        fact, state = found
        for argument in file.arguments:
            if argument.owner != "sampling" or argument.name != NAME or argument.dead:
                continue
            if asks_for_nothing(file, argument):
                continue
            yield make_finding(
                self,
                file,
                argument.span,
                f"{NAME}={one_line(argument.value.source)} is {state.holds}{since(state)}: {fact.because}",
                fact=fact,
                safety=Safety.UNSAFE,
                edits=_edits(file, argument),
                advice=f"instead of {NAME}={one_line(argument.value.source)}: {fact.advice}"
                + (_TOGETHER if is_asynchronous(file) else ""),
                precondition="nothing looks at the outputs before they are sorted, and the engine returns"
                " processed_logprobs",
                certainty=argument.certainty,
            )


def is_asynchronous(file: FileFacts) -> bool:
    """Whether a file builds an asynchronous engine and no `LLM`."""
    targets = {call.target for call in file.calls if not call.dead}
    return any(one.startswith(_ASYNC) for one in targets) and "vllm.LLM" not in targets


def asks_for_nothing(file: FileFacts, argument: Argument) -> bool:
    """Whether `best_of` is None, 1 or the same as the `n` beside it."""
    if argument.value.literal in (None, 1):
        return True
    if argument.call < 0:
        return False
    n = file.calls[argument.call].argument("n")
    if n is None:
        return False
    if argument.value.literal is not UNRESOLVED:
        return n.value.literal == argument.value.literal
    return n.value.source == argument.value.source and re.fullmatch(r"[\w.]+", n.value.source) is not None


def _edits(file: FileFacts, argument: Argument) -> tuple[Edit, ...]:
    call = file.calls[argument.call] if argument.call >= 0 else None
    generates = [c for c in file.calls if c.target in _GENERATES and not c.dead]
    if call is None or call.open_ended or argument.form is not Form.KEYWORD or len(generates) != 1:
        return ()
    n = call.argument("n")
    place = _statement(file, generates[0])
    kept = _kept(n, call, generates[0]) or _carried(call, generates[0])
    positional = bool(call.positional) or (n is not None and n.form is not Form.KEYWORD)
    if place is None or not kept or positional:
        return ()
    statement, outputs = place
    carries = _EXTRA in kept and n is not None
    more: Edit = (
        RenameArgument(n.span, "n", argument.value.source)
        if n is not None
        else AddArgument(call.span, "n", argument.value.source)
    )
    edits = [more, RemoveArgument(argument.span)]
    logprobs = call.argument("logprobs")
    if logprobs is None:
        edits.append(AddArgument(call.span, "logprobs", "0"))
    elif logprobs.value.literal is None:
        edits.append(RenameArgument(logprobs.span, "logprobs", "0"))
    if carries and n is not None:
        edits.append(AddArgument(call.span, "extra_args", f'{{"{_KEPT}": {n.value.source}}}'))
    edits.append(InsertStatement(statement, _RANKED.format(outputs=outputs, kept=kept)))
    return tuple(edits)


def _kept(n: Argument | None, call: Call, generate: Call) -> str:
    """How many outputs to keep, as it can be written behind the call that generates; "" where it can't."""
    if n is None:
        return "1"
    if isinstance(n.value.literal, int):
        return n.value.source
    here = generate.function == call.function
    return n.value.source if here and re.fullmatch(r"[\w.]+", n.value.source) else ""


def _carried(call: Call, generate: Call) -> str:
    """The number read back from the request's own parameters, where the call names them."""
    if call.argument("extra_args") is not None:
        return ""
    given = generate.argument("sampling_params")
    second = generate.positional[1][0] if len(generate.positional) > 1 else None
    value = given.value if given is not None else second
    if value is None or not re.fullmatch(r"[\w.]+", value.source) or value.source == "None":
        return ""
    return f'{value.source}.{_EXTRA}["{_KEPT}"]'


def _statement(file: FileFacts, generate: Call) -> tuple[Span, str] | None:
    """The statement that binds the outputs of a call to one name, and the name."""
    parsed = parse_python(file.path, file.source)
    for node in ast.walk(parsed.module):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, value = node.targets[0], node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            target, value = node.target, node.value
        else:
            continue
        if isinstance(target, ast.Name) and parsed.text.span(value) == generate.span:
            return parsed.text.span(node), target.id
    return None
