"""VM305: logits processors given with a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.facts.model import Subject
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding, one_line, since
from vllm_migrate.rules.logits.plan import RUNNER, Plan
from vllm_migrate.rules.logits.sites import NAME, asked_afterwards, read_sites

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.rules.base import Context

_SAME = (
    "the processors keep nothing from one request to the next, and what extra_args carries are numbers,"
    " strings, lists and dictionaries"
)
_BAN = (
    "from vllm import LLM, SamplingParams\n\nBANNED = [3, 5]\n\n\n"
    "def ban(output_ids, logits):\n"
    '    logits[BANNED] = float("-inf")\n'
    "    return logits\n\n\n"
)
_HEAD = "import os\n\nfrom vllm import LLM, SamplingParams\nfrom bans import Ban\n"
_BODY = (
    "\n\ndef rollout(prompts, ids):\n"
    '    llm = LLM("m"{engine})\n'
    "    return llm.generate(prompts, SamplingParams(max_tokens=8, {request}))\n"
)

_INTERFACE = "vllm.v1.sample.logits_processor."
_OF_V1 = (
    "from vllm.v1.sample.logits_processor import LogitsProcessor\n\n\n"
    "class Ban(LogitsProcessor):\n    def apply(self, logits):\n        return logits\n"
)

_NOTHING_BACK = (
    "{} is asked afterwards for what it collected, and a processor in the engine's process brings nothing "
    "back: ask for logprobs, and take what is needed from the outputs"
)


class PerRequestLogitsProcessors(Rule):
    """Functions that change the logits are given with a request, which the V1 engine doesn't take.

    ## What it does
    Finds `SamplingParams(logits_processors=[...])` and `params.logits_processors = [...]`. A processor that
    only bans, shifts or lets through fixed tokens becomes `logit_bias` or `allowed_token_ids`. Any other one
    that can be made from a function or class of a module gets an `AdapterLogitsProcessor` of its own, which
    the engine is built with and which each request chooses, with its arguments, by `extra_args`. Processors
    that are an engine's already, by V1's first interface, are named where the target may refuse them.

    ## Why it matters
    `SamplingParams(...)` raises a TypeError; an assignment raises nothing and changes nothing, so that the
    policy trains on tokens that were meant to be impossible. The adapters run where V0's processors ran,
    before penalties and temperature. From 0.31.0 on the model runner that GPUs get by default refuses them,
    so that `VLLM_USE_V2_MODEL_RUNNER=0` comes with them there; that runner has an interface of its own,
    whose processors run after the penalties.

    ## Fix safety
    Unsafe: the engine makes a processor per sequence where V0 shared one object between all of them, and
    sends its arguments to another process. Lambdas, bound methods, processors that hold a tokenizer, and
    engines that are built in another file are left to a person, with the class to write. Log-probabilities
    show what processors did only with `logprobs_mode="processed_logprobs"`.
    """

    code = "VM305"
    name = "per-request-logits-processors"
    summary = "logits processors belong to the engine"
    level = Level.ERROR
    safety = Safety.UNSAFE
    examples = (
        Example(
            before=f"{_BAN}params = SamplingParams(max_tokens=8, logits_processors=[ban])\n",
            after=(
                f"{_BAN}params = SamplingParams(max_tokens=8, "
                'logit_bias={token_id: float("-inf") for token_id in BANNED})\n'
            ),
            unsafe=True,
        ),
        Example(
            before=_HEAD + _BODY.format(engine="", request="logits_processors=[Ban(ids)]"),
            after=(
                "import os\n\nfrom vllm import LLM, SamplingParams\n"
                "from vllm.v1.sample.logits_processor import AdapterLogitsProcessor\n"
                "from bans import Ban\n\n"
                'os.environ["VLLM_USE_V2_MODEL_RUNNER"] = "0"  # the V2 runner takes other processors\n\n\n'
                "class BanAdapter(AdapterLogitsProcessor):\n"
                "    def is_argmax_invariant(self):\n"
                "        return False\n\n"
                "    def new_req_logits_processor(self, params):\n"
                '        arguments = (params.extra_args or {}).get("Ban")\n'
                "        return None if arguments is None else Ban(*arguments)\n"
                + _BODY.format(engine=", logits_processors=[BanAdapter]", request='extra_args={"Ban": [ids]}')
            ),
            unsafe=True,
        ),
        Example(
            before=(
                "from vllm import SamplingParams\n\n"
                "params = SamplingParams(max_tokens=8)\n"
                "params.logits_processors = [lambda ids, logits: logits]\n"
            ),
        ),
        Example(
            before=(
                "from vllm import LLM, SamplingParams\n\n"
                'params = SamplingParams(logit_bias={3: float("-inf")})\n'
            ),
            unchanged=True,
        ),
        Example(before=_OF_V1, source="0.18.1"),
        Example(before=_OF_V1, source="0.18.1", target="0.29.0", unchanged=True),
        Example(
            before=f'import os\n\nos.environ["VLLM_USE_V2_MODEL_RUNNER"] = "0"\n{_OF_V1}',
            source="0.18.1",
            unchanged=True,
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield where processors are given with a request, and those of an engine that the target refuses."""
        yield from self._refused(file, context)
        found = context.facts.on_target(Subject.SAMPLING_ARGUMENT, NAME, context.target)
        if found is None or NAME.encode() not in file.source:
            return
        fact, state = found
        read = read_sites(file)
        if read is None:
            return
        plan = Plan(file, read, context)
        for site in read.sites:
            assigned = site.argument is None
            asked = asked_afterwards(file, site)
            edits, advice = ((), _NOTHING_BACK.format(asked)) if asked else plan.mended(site)
            yield make_finding(
                self,
                file,
                site.span,
                f"{NAME}={one_line(site.source)} "
                + (f"does nothing{since(state)}" if assigned else f"is {state.holds}{since(state)}")
                + f": {fact.because}",
                fact=fact,
                level=Level.WARNING if assigned and state.holds == "gone" else Level.ERROR,
                safety=Safety.UNSAFE,
                edits=edits,
                advice=advice,
                precondition=_SAME,
                certainty=site.certainty,
            )

    def _refused(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield the processors of the first model runner's interface, where the target has a second one."""
        made = [c for c in file.classes if any(n.startswith(_INTERFACE) for n, _ in c.bases)]
        name = "v2-runner-logits-processors"
        found = context.facts.on_target(Subject.BEHAVIOUR, name, context.target) if made else None
        kept = context.mentions is not None and context.mentions.any_of(RUNNER)
        if found is None or kept or RUNNER.encode() in file.source:
            return
        fact, state = found
        for one in made:
            yield make_finding(
                self,
                file,
                one.name_span,
                f"{one.name} is refused{since(state)} where the second model runner runs: {fact.because}",
                fact=fact,
                level=Level.WARNING,
                safety=Safety.MANUAL,
                advice=fact.advice,
            )
