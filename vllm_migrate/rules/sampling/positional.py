"""VM304: sampling parameters given by position, which the target counts otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding, one_line
from vllm_migrate.rules.positional import shifted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.rules.base import Context

_CALLS = frozenset({"vllm.SamplingParams", "vllm.SamplingParams.from_optional"})


class PositionalSamplingParams(Rule):
    """Sampling parameters are given by position, and the target has other fields there.

    ## What it does
    Writes positional arguments of `SamplingParams(...)` as keywords of what they mean on the source, from
    the first on whose position means something else on the target. Those that give a field that is gone its
    old default go.

    ## Why it matters
    Nothing raises: since `best_of` went (0.12.0) every argument after `n` moves on by one, so a temperature
    becomes a top-p, a top-p a top-k. Fields that came in between (`watermarking` in 0.30.0) shift the rest
    again.

    ## Fix safety
    Safe: the names are those of the source's own signature. Where an argument asks for something that the
    target doesn't take, it is left to a person.
    """

    code = "VM304"
    name = "positional-sampling-params"
    summary = "sampling parameters given by position mean something else"
    level = Level.WARNING
    safety = Safety.SAFE
    examples = (
        Example(
            before=(
                "from vllm import SamplingParams\n\nparams = SamplingParams(4, None, None, 0.5, top_p=0.9)\n"
            ),
            after=(
                "from vllm import SamplingParams\n\n"
                "params = SamplingParams(4, presence_penalty=0.5, top_p=0.9)\n"
            ),
        ),
        Example(
            before=(
                "from vllm import SamplingParams\n\n"
                "params = SamplingParams.from_optional(1, None, 0.0, 0.5)\n"
            ),
            after=(
                "from vllm import SamplingParams\n\n"
                "params = SamplingParams.from_optional(1, presence_penalty=0.0, frequency_penalty=0.5)\n"
            ),
        ),
        Example(
            before=(
                "from vllm import SamplingParams\n\nparams = SamplingParams(1, 0.0, 0.0, 1.0, 0.7, 0.9)\n"
            ),
            after=(
                "from vllm import SamplingParams\n\n"
                "params = SamplingParams(1, 0.0, 0.0, 1.0, 0.7, top_p=0.9)\n"
            ),
            source="v1@0.12.0",
        ),
        Example(before="from vllm import SamplingParams\n\nparams = SamplingParams(1, 8)\n"),
        Example(
            before="from vllm import SamplingParams\n\nparams = SamplingParams(8, temperature=0.7)\n",
            unchanged=True,
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield calls whose positional arguments shift."""
        for call in file.calls:
            if call.target not in _CALLS or call.dead or len(call.positional) < 2:  # noqa: PLR2004 (n stayed first in every release)
                continue
            found = shifted(call, context)
            if found is None:
                continue
            first = found.arguments[0]
            yield make_finding(
                self,
                file,
                found.span,
                f"{one_line(first[1].source)} is {first[0]} on vLLM {context.source.version}"
                f" and {found.now or 'refused'} on {context.target.version}: positions moved",
                edits=found.edits,
                advice=f"write {one_line(found.as_keywords)}"
                + (f"; {', '.join(found.lost)} is gone" if found.lost else "")
                if found.as_keywords
                else f"do without {', '.join(found.lost)}, which is gone",
                precondition=f"the code was written for vLLM {context.source.version}'s order",
                certainty=call.certainty,
            )
