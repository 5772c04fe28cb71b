"""VM707: log-probabilities of prompts under a sampling distribution, which V1 doesn't return."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.facts.model import Subject
from vllm_migrate.files.located import UNRESOLVED
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.engines import is_rl
from vllm_migrate.rules.finding import make_finding, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Argument, Call
    from vllm_migrate.rules.base import Context

# What each parameter is when it changes no distribution; V0 scored prompts at temperature 1 where it was 0.
_NEUTRAL: dict[str, tuple[object, ...]] = {
    "temperature": (0, 1, 0.0, 1.0, None),
    "top_p": (1, 1.0, None),
    "top_k": (-1, 0, None),
    "min_p": (0, 0.0, None),
}
_TRAINER = "    loss = score(outputs)\n    loss.backward()\n    optimizer.step()\n"
_HEAD = "from vllm import LLM, SamplingParams\n\n\ndef train(llm: LLM, prompts, score, optimizer):\n"
_ASK = "    outputs = llm.generate(prompts, SamplingParams(max_tokens=1, prompt_logprobs=0{more}))\n"


class PromptLogprobs(Rule):
    """Prompts are scored with a temperature, top-p, top-k or min-p, which V1 ignores for them.

    ## What it does
    Finds `SamplingParams(prompt_logprobs=...)` together with a temperature other than 0 and 1, or with
    truncation.

    ## Why it matters
    V0 gave the log-probabilities of the prompt's tokens under the distribution that it would have sampled
    from. V1 gives those of the model's own, whatever `logprobs_mode` says, in every release. Policy or
    reference log-probabilities that were taken this way no longer match those of a trainer that divides its
    logits by the temperature. V1 computes the whole prompt again for them, prefix cache or not, so that they
    can't be stale.

    ## Fix safety
    Left to a person: no setting brings it back. Score at temperature 1 on both sides, or keep the trainer's
    logits undivided where they are compared with these.
    """

    code = "VM707"
    name = "prompt-logprobs"
    summary = "prompt log-probabilities ignore temperature and truncation"
    level = Level.WARNING
    safety = Safety.MANUAL
    examples = (
        Example(before=f"{_HEAD}{_ASK.format(more=', temperature=0.7')}{_TRAINER}"),
        Example(before=f"{_HEAD}{_ASK.format(more=', top_p=0.9')}{_TRAINER}"),
        Example(before=f"{_HEAD}{_ASK.format(more='')}{_TRAINER}", unchanged=True),
        Example(before=f"{_HEAD}{_ASK.format(more=', temperature=0.0')}{_TRAINER}", unchanged=True),
        Example(
            before=f"{_HEAD}{_ASK.format(more=', temperature=0.7')}{_TRAINER}",
            unchanged=True,
            source="v1@0.12.0",
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield sampling parameters that score prompts under another distribution than the model's."""
        change = context.facts.change(Subject.BEHAVIOUR, "prompt-logprobs", context.source, context.target)
        if change is None:
            return
        matters = is_rl(context.project) and context.project.takes_prompt_logprobs
        for call in file.calls:
            if call.target != "vllm.SamplingParams" or call.dead:
                continue
            asked = call.argument("prompt_logprobs")
            if asked is None or asked.value.literal is None:
                continue
            changing = _changing(call)
            if not changing:
                continue
            written = ", ".join(f"{a.name}={one_line(a.value.source, 30)}" for a in changing)
            yield make_finding(
                self,
                file,
                asked.span,
                f"prompt_logprobs with {written}: {change.fact.because}",
                fact=change.fact,
                level=Level.WARNING if matters else Level.NOTE,
                advice=_advice(changing),
                certainty=call.certainty,
            )


def _changing(call: Call) -> list[Argument]:
    """The arguments that make the sampling distribution another one than the model's, or may."""
    given = [a for name in _NEUTRAL if (a := call.argument(name)) is not None]
    return [a for a in given if a.value.literal is UNRESOLVED or a.value.literal not in _NEUTRAL[a.name]]


def _advice(changing: list[Argument]) -> str:
    temperature = next((a for a in changing if a.name == "temperature"), None)
    if temperature is None:
        return "score the prompts without truncation, on both sides of what is compared"
    return (
        "score at temperature=1 and don't divide the logits these are compared with by"
        f" {one_line(temperature.value.source)}"
    )
