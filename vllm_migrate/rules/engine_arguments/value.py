"""VM204: a value that an engine argument no longer takes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.facts.model import Subject
from vllm_migrate.files.located import Form
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.engine_arguments.lookup import KINDS, written
from vllm_migrate.rules.finding import make_finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Argument
    from vllm_migrate.rules.base import Context

_ARGUMENTS = frozenset({"load_format", "quantization", "tokenizer_mode"})
_CHOSEN = re.compile(r"""\s*\(?\s*["'](\w+)["']\s+if\s""")
_REGISTERS = ("register_quantization_config", "register_model_loader", "TokenizerRegistry")
"""What makes a value known that vLLM itself doesn't know."""


class GoneEngineValue(Rule):
    """An engine argument is given a value that the target doesn't know.

    ## What it does
    Finds methods of quantisation, formats of weights and modes of tokenizers that are gone, where they are
    written out: in keywords, dictionary entries, YAML and TOML keys and flags. One that is given under a
    condition (`"bitsandbytes" if quantize else "auto"`) is a note. A project that registers
    methods, loaders or tokenizers of its own is left alone.

    ## Why it matters
    The argument is still there, so that nothing shows before the engine refuses to start.

    ## Fix safety
    Left to a person: another method makes another model of the checkpoint.
    """

    code = "VM204"
    name = "gone-engine-value"
    summary = "an engine argument has a value that is gone"
    level = Level.ERROR
    safety = Safety.MANUAL
    kinds = KINDS
    examples = (
        Example(
            before=(
                "from vllm import LLM\n\n\ndef build(model):\n"
                '    return LLM(model, quantization="bitsandbytes", load_format="bitsandbytes")\n'
            ),
        ),
        Example(before="vllm serve m --quantization gguf --port 8000\n", file_name="run.sh"),
        Example(before='from vllm import EngineArgs\n\nargs = EngineArgs("m", tokenizer_mode="slow")\n'),
        Example(
            before='from vllm import EngineArgs\n\nargs = EngineArgs("m", quantization="awq")\n',
            unchanged=True,
        ),
        Example(
            before='from vllm import EngineArgs\n\nargs = EngineArgs("m", quantization="bitsandbytes")\n',
            unchanged=True,
            target="0.20.2",
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield the values the target refuses."""
        for argument in file.arguments:
            if argument.owner != "engine" or argument.dead or argument.name not in _ARGUMENTS:
                continue
            value, sure = _value(argument)
            row = f"{argument.name}={value.lower()}"
            found = context.facts.on_target(Subject.ARGUMENT_VALUE, row, context.target) if value else None
            if found is None or (context.mentions is not None and context.mentions.any_of(*_REGISTERS)):
                continue
            fact, _ = found
            given = (
                f"{written(argument)} {value}" if argument.form is Form.FLAG else f'{argument.name}="{value}"'
            )
            under = "" if sure else ", where that is chosen"
            yield make_finding(
                self,
                file,
                argument.span,
                f"{given}{under}: vLLM {context.target.version} takes no such value: {fact.because}",
                fact=fact,
                level=None if sure else Level.NOTE,
                certainty=argument.certainty,
            )


def _value(argument: Argument) -> tuple[str, bool]:
    """A text that an argument is given, and whether it always is; "" for anything else.

    Of `"bitsandbytes" if quantize else "auto"` it is the first that is told.
    """
    if isinstance(argument.value.literal, str):
        return argument.value.literal, True
    chosen = _CHOSEN.match(argument.value.source)
    return (chosen[1] if chosen else ""), False
