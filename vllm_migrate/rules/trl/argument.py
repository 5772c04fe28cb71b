"""VM601: an argument of TRL's that concerns vLLM."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.facts.model import Subject, Target
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.located import Certainty
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding, one_line, since
from vllm_migrate.rules.replacement import replace_argument
from vllm_migrate.rules.silent.fed import is_test
from vllm_migrate.rules.trl.foreign import is_forked
from vllm_migrate.rules.trl.vllm_use import is_turned_on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Edit, Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Argument
    from vllm_migrate.rules.base import Context

_OWN = re.compile(
    rb"^class[ \t]+(?:GRPO|RLOO|OnlineDPO)Config\([ \t]*(?:transformers\.)?TrainingArguments\b", re.MULTILINE
)

_IN_32_BITS = re.compile(r"\bfloat(?:32)?\b")
_LOWERED = "the engine takes the type from the model, and 16 bits for a model in 32"
_KEPT_BY_SERVER = "`trl vllm-serve --dtype float32` in server mode; nothing keeps 32 bits in colocate mode"
_CONFIGURES = re.compile(rb"^class[ \t]+\w+\([^)\n]*\b(?:TrainingArguments|\w+Config)\b", re.MULTILINE)
_TRAINER = re.compile(rb"^class[ \t]+\w*Trainer\w*\(", re.MULTILINE)
_OF_TRL = re.compile(
    rb"^class[ \t]+\w+\([^)\n]*\b(?:GRPO|RLOO|OnlineDPO|DPO|ORPO|CPO|KTO|BCO)Trainer\b", re.MULTILINE
)
"""Trainers of TRL's that kept arguments of their configuration as attributes of their own."""


class TrlArgument(Rule):
    """A TRL configuration takes an argument that the releases of TRL for this vLLM don't have.

    ## What it does
    Finds `vllm_device`, `vllm_dtype`, `vllm_max_model_len` and others in calls of configurations, in their
    YAML and TOML files and on command lines, and renames those that only have another name. Left alone are a
    fork of TRL, a configuration in a project that never turns `use_vllm` on, and settings that a
    configuration class of the project's own has as fields.

    ## Why it matters
    A TRL that supports the V1 engine raises a TypeError for them.

    ## Fix safety
    Unsafe: TRL has to be upgraded together with vLLM. Arguments that chose where the engine runs are left
    to a person.
    """

    code = "VM601"
    name = "trl-argument"
    summary = "an argument of TRL's is gone or renamed"
    level = Level.WARNING
    safety = Safety.UNSAFE
    kinds = (FileKind.PYTHON, FileKind.SHELL, FileKind.YAML, FileKind.TOML)
    examples = (
        Example(
            before=(
                "from trl import GRPOConfig\n"
                "\n"
                'config = GRPOConfig("out", vllm_guided_decoding_regex="[0-9]+")\n'
            ),
            after=(
                "from trl import GRPOConfig\n"
                "\n"
                'config = GRPOConfig("out", vllm_structured_outputs_regex="[0-9]+")\n'
            ),
            unsafe=True,
        ),
        Example(
            before=(
                "from trl import GRPOConfig\n"
                "\n"
                'config = GRPOConfig("out", use_vllm=True, vllm_device="cuda:7")\n'
            )
        ),
        Example(
            before=(
                "trl grpo --model_name_or_path m --use_vllm true --vllm_guided_decoding_regex a --seed 1\n"
            ),
            after=(
                "trl grpo --model_name_or_path m --use_vllm true --vllm-structured-outputs-regex a --seed 1\n"
            ),
            file_name="run.sh",
            unsafe=True,
        ),
        Example(
            before="model_name_or_path: m\nuse_vllm: true\nvllm_device: auto\n",
            file_name="grpo.yaml",
        ),
        Example(
            before=(
                "from trl import GRPOConfig, GRPOTrainer\n"
                "\n"
                "\n"
                "class OwnTrainer(GRPOTrainer):\n"
                "    def cut(self, ids):\n"
                "        return ids[-self.args.max_prompt_length :]\n"
                "\n"
                "\n"
                'config = GRPOConfig("out", use_vllm=True, max_prompt_length=9)\n'
            )
        ),
        Example(
            before='from trl import GRPOConfig\n\nconfig = GRPOConfig("out", use_vllm=True)\n', unchanged=True
        ),
        Example(
            before='from trl import DPOTrainer\n\ntrainer = DPOTrainer("m", beta=0.1, max_prompt_length=9)\n',
            unchanged=True,
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield the arguments that the TRL of the target doesn't take as they are."""
        arguments = [a for a in file.arguments if a.owner.startswith("trl.") and not a.dead]
        if not arguments or is_forked(context):
            return
        if file.kind is not FileKind.PYTHON and _has_own_configuration(context):
            return
        target = Target("trl", context.trl.target)
        for argument in arguments:
            found = context.facts.on_target(Subject.TRL_ARGUMENT, argument.name, target)
            if (
                found is not None
                and not _is_foreign_to_trainer(argument)
                and not _trains_without_vllm(file, argument, context)
                and not (file.kind is not FileKind.PYTHON and _is_own_field(argument.name, context))
            ):
                fact, state = found
                replacement = replace_argument(file, argument, state)
                owner = argument.owner.rpartition(".")[2]
                if argument.certainty is not Certainty.CERTAIN:
                    owner = "TRL's configuration"  # which of several it is can't be seen
                value = one_line(argument.value.source)
                because, advice = fact.because, fact.advice or state.to
                edits: tuple[Edit, ...] = replacement.edits
                if argument.name == "vllm_dtype" and _IN_32_BITS.search(argument.value.source):
                    because, advice = _LOWERED, _KEPT_BY_SERVER
                advice = f"instead of {argument.name}={value}: {advice}"
                reader = _own_reader(file, argument.name, context) if state.holds == "gone" else None
                if reader is not None:
                    path, by_attribute = reader
                    because, edits = f"TRL's own trainers don't read it any more, but {path} does", ()
                    declared = f"declare {argument.name} in a configuration of the project's own"
                    if by_attribute:
                        because = (
                            f"{path} reads self.{argument.name}, which TRL's trainer doesn't set any more"
                        )
                        declared += f", and set self.{argument.name} by it in the trainer's constructor"
                    advice = f"{declared}; {advice}, where the trainer is TRL's"
                yield make_finding(
                    self,
                    file,
                    argument.span,
                    f"{argument.name} of {owner} is {state.holds}{since(state, 'trl')}: {because}",
                    fact=fact,
                    level=Level.NOTE if state.holds == "deprecated" else Level.WARNING,
                    edits=edits,
                    advice=advice,
                    certainty=argument.certainty,
                )


def _own_reader(file: FileFacts, name: str, context: Context) -> tuple[PurePosixPath, bool] | None:
    """The file of a trainer of the project's own that reads an argument of its configuration.

    Returns:
        The path, and whether it reads the attribute that TRL's trainer kept the argument in, which nothing in
        the file sets. None where there is no such file.
    """
    read, kept, set_here = (
        re.compile(pattern % name.encode())
        for pattern in (
            rb"\bargs\.%s\b(?![ \t]*=[^=])",
            rb"\bself\.%s\b(?![ \t]*=[^=])",
            rb"\bself\.%s[ \t]*(?::[^=\n]*)?=[^=]",
        )
    )
    places = [(file.path, file.source)]
    if context.mentions is not None:
        places += context.mentions.code(name.encode(), file.path)
    for path, source in places:
        if not _TRAINER.search(source) or is_test(path):
            continue
        if read.search(source):
            return path, False
        if _OF_TRL.search(source) and kept.search(source) and not set_here.search(source):
            return path, True
    return None


def _has_own_configuration(context: Context) -> bool:
    """Whether the project has a `GRPOConfig` of its own, not TRL's, which its settings may be for."""
    return context.mentions is not None and context.mentions.matches(_OWN, b"TrainingArguments")


def _is_own_field(name: str, context: Context) -> bool:
    """Whether a configuration class of the project's own has a field of that name for settings to fill."""
    if context.mentions is None:
        return False
    field = re.compile(rb"^[ \t]+%s[ \t]*:" % name.encode(), re.MULTILINE)
    return any(
        _CONFIGURES.search(source) and field.search(source)
        for _, source in context.mentions.code(name.encode(), PurePosixPath())
    )


def _trains_without_vllm(file: FileFacts, argument: Argument, context: Context) -> bool:
    """Whether the configuration leaves vLLM off, and nothing in the project ever turns it on.

    Such a project may use vLLM elsewhere, and TRL stays where it is.
    """
    if is_turned_on(context):
        return False
    call = next((call for call in file.calls if argument in call.arguments), None)
    return call is not None and not call.open_ended and not argument.name.startswith("vllm_")


def _is_foreign_to_trainer(argument: Argument) -> bool:
    """Whether a trainer is given what no known release of it took, though configurations did.

    It was an argument of the trainer's in releases before those that support vLLM, and what became of the
    configuration's says nothing about it.
    """
    if not argument.owner.endswith("Trainer"):
        return False
    # Imported here: few calls are of a trainer with such an argument.
    from vllm_migrate.facts.surface.store import known_versions, load_surface  # noqa: PLC0415 - see above

    taken = load_surface("trl", str(known_versions("trl")[-1])).ever_taken(argument.owner)
    return bool(taken) and argument.name not in taken
