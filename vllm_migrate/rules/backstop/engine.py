"""VM290: an engine argument or flag that the target doesn't take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.facts.surface.store import load_store, load_surface
from vllm_migrate.files.located import Form
from vllm_migrate.rules.backstop.absent import is_expected, level_of, sentence
from vllm_migrate.rules.backstop.of_a_fork import advice
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.engine_arguments.lookup import KINDS, changed_arguments, is_of_others_too, written
from vllm_migrate.rules.finding import make_finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.facts.surface.compare import Absence
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Argument
    from vllm_migrate.rules.base import Context

_TAKES = {
    "vllm.LLM": ("vllm.LLM", "vllm.EngineArgs"),
    "vllm.EngineArgs": ("vllm.EngineArgs",),
    "vllm.AsyncEngineArgs": ("vllm.AsyncEngineArgs",),
}
_ALL = ("vllm.LLM", "vllm.EngineArgs", "vllm.AsyncEngineArgs")


class UnknownEngineArgument(Rule):
    """An engine argument is given that the target's API doesn't have, and no other rule has reported it.

    ## What it does
    Looks up keywords and dictionary entries that reach `LLM`, `EngineArgs` and `AsyncEngineArgs`, keys of
    YAML and TOML files and flags of the server in the API of the target, as it was extracted from its wheel.

    ## Why it matters
    `LLM(...)` raises a TypeError and `vllm serve` refuses to start. An argument that no release before the
    target had is a warning, as a flag a note: probably a slip, or code for another version.

    ## Fix safety
    Left to a person.
    """

    code = "VM290"
    name = "unknown-engine-argument"
    summary = "an engine argument that the target lacks"
    level = Level.ERROR
    safety = Safety.MANUAL
    kinds = KINDS
    backstop = True
    examples = (
        Example(before='from vllm import LLM\n\n\ndef build():\n    return LLM("m", max_model_length=512)\n'),
        Example(
            before=(
                "from vllm import EngineArgs\n\n"
                'args = EngineArgs("m", enable_multimodal_encoder_data_parallel=True)\n'
            ),
            source="0.10.0",
        ),
        Example(
            before="vllm serve m --expand-tools-even-if-tool-choice-none --port 8000\n",
            file_name="run.sh",
            source="0.10.0",
        ),
        Example(
            before="model: m\nvllm_kwargs:\n  enable_multimodal_encoder_data_parallel: true\n",
            file_name="config.yaml",
            source="0.10.0",
        ),
        Example(
            before='from vllm import EngineArgs\n\nargs = EngineArgs("m", max_model_len=512)\n',
            unchanged=True,
        ),
        Example(before="vllm serve m --max-model-len 512\n", file_name="run.sh", unchanged=True),
        Example(before="vllm serve m --tensor-parallel 2\n", file_name="run.sh", unchanged=True),
        Example(
            before="rollout:\n  name: vllm\n  log_prob_micro_batch_size: 8\n",
            file_name="config.yaml",
            unchanged=True,
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield the arguments the target lacks."""
        told = {argument.span for argument, _, _ in changed_arguments(file, context)}
        for argument in file.arguments:
            if argument.owner != "engine" or argument.dead or argument.span in told:
                continue
            absence = _absence(argument, file, context)
            if absence is None or is_of_others_too(file, argument, context):
                continue
            level = _level(argument, absence, file)
            if level is None:
                continue
            name = written(argument)
            taken = context.api.surface.parameters("vllm.AsyncEngineArgs") or ()
            yield make_finding(
                self,
                file,
                argument.span,
                sentence(name, absence, context.api),
                level=level,
                advice=advice(argument, name, absence, _owners(argument, file), taken, file, context),
                certainty=argument.certainty,
            )


def _owners(argument: Argument, file: FileFacts) -> tuple[str, ...]:
    """The classes one of which has to take the argument."""
    target = file.calls[argument.call].target if argument.call >= 0 else ""
    return _TAKES.get(target, _ALL)


def _absence(argument: Argument, file: FileFacts, context: Context) -> Absence | None:
    if argument.form is not Form.FLAG:
        return context.api.parameter(_owners(argument, file), argument.name)
    flag = file.text(argument.name_span)
    return context.api.flag(f"--{flag}") if flag.replace("-", "_").isidentifier() else None


def _level(argument: Argument, absence: Absence, file: FileFacts) -> Level | None:
    if argument.form is Form.KEY and not absence.last:
        return None  # a section of a configuration has keys of its reader's, too
    if argument.form is Form.FLAG and not absence.last:
        return None if _is_trls(argument) else Level.NOTE
    return level_of(absence, argument.certainty, expected=is_expected(file, argument.name))


def _is_trls(argument: Argument) -> bool:
    """Whether TRL's server takes a flag of this name, in any release."""
    return any(
        argument.name
        in (load_surface("trl", release.version).parameters("trl.scripts.vllm_serve.ScriptArguments") or ())
        for release in load_store("trl").releases
    )
