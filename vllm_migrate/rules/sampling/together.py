"""VM309: the samples of a request come one by one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import AddArgument, AddImport, Level, Safety
from vllm_migrate.facts.model import Subject
from vllm_migrate.files.located import Certainty
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.rules.base import Context

_DRAWS = re.compile(rb"\.(?:generate|chat)\(|\bLLM\(")
_STREAMED = (
    "something here streams outputs as they grow, and with FINAL_ONLY it gets nothing before the end: set "
    "output_kind=RequestOutputKind.FINAL_ONLY only on the parameters of requests whose last output is kept: "
    "on a copy (params.clone()), or as `CUMULATIVE if stream else FINAL_ONLY`"
)
_HEAD = "from vllm import LLMEngine, SamplingParams\n"
_LOOP = (
    "\n\ndef run(args, prompts):\n    engine = LLMEngine.from_engine_args(args)\n"
    "    for i, prompt in enumerate(prompts):\n"
    "        engine.add_request(str(i), prompt, PARAMS)\n"
    "    while engine.has_unfinished_requests():\n"
    "        yield from (output for output in engine.step() if output.finished)\n"
)


class Together(Rule):
    """An engine that is driven by hand samples several completions of a prompt.

    ## What it does
    Finds `SamplingParams` with an `n` other than 1 in projects that step an engine themselves and only take
    finished outputs, or keep the last output of an asynchronous one, and asks for final outputs only. Where
    something that may take the same parameters gives outputs on while they grow, as a server that also
    streams does, that is left to a person: there it is for the requests alone whose last output is kept.

    ## Why it matters
    V0's finished output held all `n` samples of a request. V1 streams: each sample comes in outputs of its
    own, and the one that says `finished` holds the sample that ended last. The others are lost without a
    word, and with them the groups that advantages are computed over. `LLM.generate` is not concerned: it
    asks for final outputs itself, and so a file that builds one, or calls a `generate` or `chat`, and drives
    no engine is left alone, whatever another file of the project does.

    ## Fix safety
    Unsafe: who else reads these outputs while they grow gets nothing before the end. Where that is seen
    there is no edit.
    """

    code = "VM309"
    name = "samples-together"
    summary = "the samples of a request come one by one"
    level = Level.WARNING
    safety = Safety.UNSAFE
    examples = (
        Example(
            before=f"{_HEAD}\nPARAMS = SamplingParams(n=4, max_tokens=64)\n{_LOOP}",
            after=(
                f"{_HEAD}from vllm.sampling_params import RequestOutputKind\n"
                "\nPARAMS = SamplingParams(n=4, max_tokens=64, output_kind=RequestOutputKind.FINAL_ONLY)\n"
                f"{_LOOP}"
            ),
            unsafe=True,
        ),
        Example(
            before=(
                "from vllm import AsyncLLMEngine, SamplingParams\n\n\ndef request(args, prompt, number):\n"
                "    engine = AsyncLLMEngine.from_engine_args(args)\n"
                "    return engine.generate(prompt, SamplingParams(n=args.n), number)\n\n\n"
                "async def whole(args, prompt, number):\n    last = None\n"
                "    async for output in request(args, prompt, number):\n        last = output\n"
                "    return last\n\n\nasync def piece_by_piece(args, prompt, number):\n"
                "    async for output in request(args, prompt, number):\n"
                "        yield output.outputs[0].text\n"
            ),
        ),
        Example(before=f"{_HEAD}\nPARAMS = SamplingParams(max_tokens=64)\n{_LOOP}", unchanged=True),
        Example(
            before=(
                "from vllm import LLM, SamplingParams\n\n\ndef run(prompts):\n"
                '    return LLM("m").generate(prompts, SamplingParams(n=4))\n'
            ),
            unchanged=True,
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield the parameters under which several samples are drawn."""
        if not context.project.waits_for_finished:
            return
        change = context.facts.change(
            Subject.BEHAVIOUR, "samples-of-a-request", context.source, context.target
        )
        if change is None:
            return
        for call in file.calls:
            if call.target != "vllm.SamplingParams" or call.dead or call.certainty is Certainty.GUESS:
                continue
            number = call.argument("n")
            if number is None or number.value.literal in (1, None) or call.argument("output_kind"):
                continue
            if not file.use.waits_for_finished and _draws_itself(file):
                continue
            own = file.use.waits_for_finished and call.function  # made where they are used
            streamed = file.use.streams or (not own and context.project.streams)
            yield make_finding(
                self,
                file,
                call.callee,
                f"SamplingParams(n={number.value.source}): {change.fact.because}",
                fact=change.fact,
                edits=()
                if call.wrapped or streamed
                else (
                    AddArgument(call.span, "output_kind", "RequestOutputKind.FINAL_ONLY"),
                    AddImport("vllm.sampling_params", "RequestOutputKind"),
                ),
                advice=_STREAMED if streamed else "",
                certainty=call.certainty,
            )


def _draws_itself(file: FileFacts) -> bool:
    """Whether a file builds an `LLM` or calls a `generate` or `chat`, by which its samples are drawn.

    `LLM.generate` asks for final outputs itself, however its engine is annotated, and a model of transformers
    takes no parameters of vLLM's.
    """
    return _DRAWS.search(file.source) is not None
