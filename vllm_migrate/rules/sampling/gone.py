"""VM301: a sampling parameter the target doesn't take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.facts.model import Subject
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.located import Form
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding, one_line, since
from vllm_migrate.rules.removal import remove_argument
from vllm_migrate.rules.replacement import replace_argument
from vllm_migrate.rules.sampling.best_of import NAME as BEST_OF
from vllm_migrate.rules.sampling.best_of import asks_for_nothing, is_asynchronous
from vllm_migrate.rules.sampling.set_by_name import is_set_by_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.facts.model import Fact
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Argument
    from vllm_migrate.rules.base import Context

# Rules of their own: what is only called otherwise, and processors, which have to move into the engine.
_RENAMED = frozenset({"guided_decoding"})
_MOVED = frozenset({"logits_processors"})
_UNREAD = "truncate_prompt_tokens"
_READ_AGAIN = Version("0.9.0")
"""Up to 0.8.5 only the server read it, from its requests: generate() never cut a prompt by it."""
_NEVER_CUT = "prompts go on uncut, as generate() let them up to 0.8.5, which never read it"
_OF_BEAMS = frozenset({"use_beam_search", "length_penalty", "early_stopping"})
_ONLY_LLM = (
    "AsyncLLMEngine has no beam search of its own; LLM.beam_search(prompts, BeamSearchParams(...)) has, and "
    'the server, asked with "use_beam_search": true'
)
_BY_NAME = "nobody sets it: what is written here is a default, and the keys of others are taken, too"
_NOTHING = "it asks for what happens anyway"
_ORDER = "the order of a prompt's samples doesn't matter: V0 put the likeliest first"


class GoneSamplingArgument(Rule):
    """A sampling parameter is given that the target doesn't take.

    ## What it does
    Finds `best_of`, `use_beam_search`, `truncate_prompt_tokens` and others
    in calls of `SamplingParams` and in dictionaries that reach them. Those that ask for nothing
    (`best_of=1`, `best_of` equal to `n`, `use_beam_search=False`) are dropped.

    ## Why it matters
    `SamplingParams(...)` raises a TypeError, in the middle of a training run if the call stands there.

    ## Fix safety
    Safe where the value asks for what happens anyway. Unsafe in a dictionary whose keys are also set by name,
    as a server sets those of a request: one that asks for more is served without it. Unsafe for a `best_of`
    equal to `n`: V0 put the likeliest sample of a prompt first; and for `truncate_prompt_tokens` from sources
    up to 0.8.5, whose `generate()` never read it, so that the edit keeps what ran and not what was meant.
    Otherwise left to a person.
    """

    code = "VM301"
    name = "gone-sampling-argument"
    summary = "a sampling parameter is gone"
    level = Level.ERROR
    safety = Safety.SAFE
    kinds = (FileKind.PYTHON, FileKind.YAML, FileKind.TOML)
    examples = (
        Example(
            before=(
                "from vllm import SamplingParams\n"
                "\n"
                "params = SamplingParams(n=1, best_of=1, temperature=0.7)\n"
            ),
            after="from vllm import SamplingParams\n\nparams = SamplingParams(n=1, temperature=0.7)\n",
        ),
        Example(
            before="from vllm import SamplingParams\n\nparams = SamplingParams(n=8, best_of=8)\n",
            after="from vllm import SamplingParams\n\nparams = SamplingParams(n=8)\n",
            unsafe=True,
        ),
        Example(
            before=(
                'from vllm import SamplingParams\n\noptions = {"best_of": 1, "top_p": 0.9}\n'
                "params = SamplingParams(**options)\n"
            ),
            after=(
                "from vllm import SamplingParams\n"
                "\n"
                'options = {"top_p": 0.9}\n'
                "params = SamplingParams(**options)\n"
            ),
        ),
        Example(
            before="from vllm import SamplingParams\n\nparams = SamplingParams(logits_processors=[])\n",
            after="from vllm import SamplingParams\n\nparams = SamplingParams()\n",
        ),
        Example(
            before="from vllm import SamplingParams\n\nparams = SamplingParams(truncate_prompt_tokens=512)\n",
            after="from vllm import SamplingParams\n\nparams = SamplingParams()\n",
            unsafe=True,
        ),
        Example(
            before="from vllm import SamplingParams\n\nparams = SamplingParams(truncate_prompt_tokens=512)\n",
            source="0.10.2",
        ),
        Example(
            before=(
                "from vllm import AsyncLLMEngine, SamplingParams\n\n\ndef ask(args, prompt, beams):\n"
                "    engine = AsyncLLMEngine.from_engine_args(args)\n"
                '    return engine.generate(prompt, SamplingParams(use_beam_search=beams), "0")\n'
            ),
        ),
        Example(
            before=(
                'from vllm import SamplingParams\n\nparams = {"n": 1, "use_beam_search": False}\n\n\n'
                "def serve(request):\n    for key, value in request.items():\n        params[key] = value\n"
                "    return SamplingParams(**params)\n"
            ),
            after=(
                'from vllm import SamplingParams\n\nparams = {"n": 1}\n\n\n'
                "def serve(request):\n    for key, value in request.items():\n        params[key] = value\n"
                "    return SamplingParams(**params)\n"
            ),
            unsafe=True,
        ),
        Example(before="from openai import Completions\n\nanswer = Completions(best_of=4)\n", unchanged=True),
        Example(
            before="from vllm import SamplingParams\n\nparams = SamplingParams(truncate_prompt_tokens=512)\n",
            unchanged=True,
            target="0.16.0",
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield the parameters that are gone."""
        for argument in file.arguments:
            if argument.owner != "sampling" or argument.dead or argument.name in _RENAMED:
                continue
            if argument.form is Form.KEY and _is_written(file, argument):
                continue  # the default of an option that the call is given, where it is reported
            python = file.kind is FileKind.PYTHON
            if python and argument.name in _MOVED and argument.value.literal not in (None, []):
                continue
            nothing = argument.name == BEST_OF and asks_for_nothing(file, argument)
            if python and argument.name == BEST_OF and not nothing:
                continue
            found = context.facts.on_target(Subject.SAMPLING_ARGUMENT, argument.name, context.target)
            if found is None:
                continue
            fact, state = found
            replacement = replace_argument(file, argument, state)
            edits, decided = replacement.edits, replacement.decided
            same = nothing and not decided
            unread = argument.name == _UNREAD and not decided and context.source.version < _READ_AGAIN
            if same or unread:
                edit = remove_argument(file, argument)
                edits, decided = ((edit,) if edit else ()), same
            by_name = is_set_by_name(file, argument)
            conditions = ((same, _ORDER), (unread, _NEVER_CUT), (by_name, _BY_NAME))
            needs_reader = [said for applies, said in conditions if applies]
            value = one_line(argument.value.source)
            yield make_finding(
                self,
                file,
                argument.span,
                f"{argument.name}={value} is {state.holds}{since(state)}: {fact.because}",
                fact=fact,
                safety=Safety.SAFE
                if edits and argument.form is not Form.KEY and not needs_reader
                else Safety.UNSAFE,
                edits=edits,
                advice=f"remove {argument.name}"
                if decided
                else f"instead of {argument.name}={value}: {_advice(file, argument, fact)}",
                precondition=next(iter(needs_reader), fact.precondition or _NOTHING),
                certainty=argument.certainty,
            )


def _advice(file: FileFacts, argument: Argument, fact: Fact) -> str:
    """What to do instead, with the engine that the file has."""
    return _ONLY_LLM if argument.name in _OF_BEAMS and is_asynchronous(file) else fact.advice


def _is_written(file: FileFacts, default: Argument) -> bool:
    """Whether the parameter that a default is for is also written out at a call of this file."""
    return any(
        a.owner == default.owner and a.name == default.name and a.form in (Form.KEYWORD, Form.DICT)
        for a in file.arguments
    )
