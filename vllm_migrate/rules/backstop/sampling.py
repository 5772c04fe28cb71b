"""VM390: a sampling parameter that the target doesn't take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.facts.model import Subject
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.located import Form
from vllm_migrate.rules.backstop.absent import is_expected, level_of, sentence
from vllm_migrate.rules.backstop.of_a_fork import advice
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Argument
    from vllm_migrate.rules.base import Context

_CLASS = "vllm.SamplingParams"


class UnknownSamplingArgument(Rule):
    """A sampling parameter is given that the target's API doesn't have, and no other rule has reported it.

    ## What it does
    Looks up keywords and dictionary entries that reach `SamplingParams` or `SamplingParams.from_optional` in
    the API of the target, as it was extracted from its wheel.

    ## Why it matters
    `SamplingParams(...)` raises a TypeError, in the middle of a training run if the call stands there. A
    parameter that no release before the target had is a warning: probably a slip, or code for another
    version.

    ## Fix safety
    Left to a person.
    """

    code = "VM390"
    name = "unknown-sampling-argument"
    summary = "a sampling parameter that the target lacks"
    level = Level.ERROR
    safety = Safety.MANUAL
    kinds = (FileKind.PYTHON, FileKind.YAML, FileKind.TOML)
    backstop = True
    examples = (
        Example(before="from vllm import SamplingParams\n\nparams = SamplingParams(max_new_tokens=512)\n"),
        Example(
            before="from vllm import SamplingParams\n\nparams = SamplingParams(max_tokens=512)\n",
            unchanged=True,
        ),
        Example(before="sampling_params:\n  max_new_tokens: 512\n", file_name="config.yaml", unchanged=True),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield the parameters the target lacks."""
        for argument in file.arguments:
            if argument.owner != "sampling" or argument.dead:
                continue
            if context.facts.on_target(Subject.SAMPLING_ARGUMENT, argument.name, context.target):
                continue
            callee = _callee(argument, file)
            absence = context.api.parameter((callee,), argument.name)
            if absence is None or (argument.form is Form.KEY and not absence.last):
                continue
            level = level_of(absence, argument.certainty, expected=is_expected(file, argument.name))
            if level is not None:
                taken = context.api.surface.parameters(callee) or ()
                yield make_finding(
                    self,
                    file,
                    argument.span,
                    sentence(argument.name, absence, context.api),
                    level=level,
                    advice=advice(argument, argument.name, absence, (callee,), taken, file, context),
                    certainty=argument.certainty,
                )


def _callee(argument: Argument, file: FileFacts) -> str:
    target = file.calls[argument.call].target if argument.call >= 0 else _CLASS
    return target if target == f"{_CLASS}.from_optional" else _CLASS
