"""VM602: a default of TRL's that changed, where the code leaves it to TRL."""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import AddArgument, Level, Safety
from vllm_migrate.facts.model import Effect, Engine, Remedy, Subject
from vllm_migrate.files.located import Certainty
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding
from vllm_migrate.rules.trl.foreign import is_forked, is_own_default
from vllm_migrate.rules.trl.own_steps import meaning, own_trainer
from vllm_migrate.rules.trl.replaced import is_unused
from vllm_migrate.rules.trl.vllm_use import is_in_settings, may_use_vllm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.facts.model import Fact, State
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Call
    from vllm_migrate.rules.base import Context

_ABSENT = "absent"
_NEEDS = {
    "ref_model_mixup_alpha": "sync_ref_model",
    "ref_model_sync_steps": "sync_ref_model",
    "use_bias_correction_kl": "beta",
}
"""Arguments that have no effect unless another one is given, and neither off nor 0."""

_CORRECTION = "vllm_importance_sampling_correction"
_WITHOUT = {
    "bf16": ("fp16", True),
    "vllm_importance_sampling_cap": (_CORRECTION, False),
    "vllm_importance_sampling_mode": (_CORRECTION, False),
}
"""Arguments that have no effect, or another default, where another one has this value."""


class TrlDefault(Rule):
    """A TRL configuration leaves an argument to TRL, whose default changed between the two releases.

    ## What it does
    Looks at `GRPOConfig(...)`, `RLOOConfig(...)` and `OnlineDPOConfig(...)` with `use_vllm`, and writes the
    old default out: the temperature, the weight of the reference model, how the loss is averaged, where the
    engine runs. The source is the TRL that the project pins, else the one that goes with the source's vLLM,
    or the release nearest to it that has all the arguments the project passes; the target is the newest that
    takes the target's vLLM.

    Left out is what the project decides itself: what only a step of the trainer's reads that it puts a
    function of its own in the place of (`trainer.compute_loss = ...`) or overrides; where the engine runs if
    Unsloth or the project brings its own, and with Unsloth what only TRL's loss reads; what a configuration
    of its own sets, and what a trainer that derives from transformers' `Trainer` doesn't read. A fork of TRL
    is left alone, and so is a configuration that takes its arguments by `**` where nothing in the project
    uses vLLM; what all YAML and TOML files for such a trainer set counts as set there. Of a trainer that
    draws completions itself it says what remains.

    ## Why it matters
    Moving to the V1 engine means moving to a newer TRL. Its configurations run without a word, with another
    temperature, without a reference model, and with another loss.

    ## Fix safety
    Safe where the project pins its TRL and that release has the argument already. Unsafe where the source is
    assumed, or the argument came later. Corrections for the difference between trainer and engine, and
    prompts that are no longer cut, are left to a person.
    """

    code = "VM602"
    name = "trl-default"
    summary = "a default of TRL's changed, and the code leaves it unset"
    level = Level.WARNING
    safety = Safety.SAFE
    examples = (
        Example(
            before=(
                "from trl import GRPOConfig\n\n"
                "config = GRPOConfig(\n"
                '    "out",\n'
                "    use_vllm=True,\n"
                "    beta=0.04,\n"
                '    loss_type="bnpo",\n'
                "    bf16=True,\n"
                "    max_prompt_length=512,\n"
                "    max_completion_length=256,\n"
                '    vllm_mode="server",\n'
                "    vllm_importance_sampling_correction=False,\n"
                ")\n"
            ),
            after=(
                "from trl import GRPOConfig\n\n"
                "config = GRPOConfig(\n"
                '    "out",\n'
                "    use_vllm=True,\n"
                "    beta=0.04,\n"
                '    loss_type="bnpo",\n'
                "    bf16=True,\n"
                "    max_prompt_length=512,\n"
                "    max_completion_length=256,\n"
                '    vllm_mode="server",\n'
                "    vllm_importance_sampling_correction=False,\n"
                "    temperature=0.9,\n"
                "    top_k=50,\n"
                ")\n"
            ),
            unsafe=True,
        ),
        Example(
            before=(
                "from trl import GRPOConfig\n\n\n"
                "def settings():\n"
                '    return GRPOConfig("out", use_vllm=True, temperature=1.0, top_k=0, beta=0.0, bf16=True,'
                ' loss_type="dapo", max_completion_length=64, vllm_mode="colocate")\n'
            ),
        ),
        Example(before='from trl import GRPOConfig\n\nconfig = GRPOConfig("out")\n', unchanged=True),
        Example(
            before=(
                "from trl import OnlineDPOConfig\n\n"
                'config = OnlineDPOConfig("out", use_vllm=True, vllm_mode="server", bf16=True)\n'
            ),
            unchanged=True,
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield the arguments whose default changes, at the configuration that leaves them unset."""
        calls = [call for call in file.calls if call.target.startswith("trl.") and _uses_vllm(call, context)]
        if not calls or is_forked(context):
            return
        for call in calls:
            for fact in context.facts.about(Subject.TRL_DEFAULT):
                if fact.effect is Effect.SILENT and fact.name.startswith(f"{call.target[4:]}."):
                    finding = self._changed(file, call, fact, context)
                    if finding is not None:
                        yield finding

    def _changed(self, file: FileFacts, call: Call, fact: Fact, context: Context) -> Finding | None:
        route = context.trl
        before = fact.at(route.source, Engine.V1)
        after = fact.at(route.target, Engine.V1)
        if before is None or after is None or after.remedy is Remedy.NONE:
            return None
        owner, _, argument = fact.name.partition(".")
        (_, old), (name, new) = _written(argument, before), _written(argument, after)
        if old == new or (old == _ABSENT and after.remedy is not Remedy.MANUAL):
            return None
        if call.argument(argument) or call.argument(name) or not _has_effect(call, argument):
            return None
        if call.open_ended and (is_in_settings(argument, context) or is_in_settings(name, context)):
            return None
        if is_unused(file, call, argument, context) or is_own_default(file, call, argument, context):
            return None
        own = meaning(file, call, argument, old)
        because, elsewhere = own.because if own else fact.because, own_trainer(file)
        if elsewhere:
            because = f"{because}, unless {elsewhere} goes its own way there"
        is_set = after.remedy is Remedy.SET and not call.open_ended and own is None
        is_sure = not route.is_assumed and before.holds != _ABSENT
        return make_finding(
            self,
            file,
            call.callee,
            f"{owner}(...) leaves {name} to TRL, where it is {_shown(new)} in {route.target} and was "
            f"{_shown(old)} in {route.source}: {because}",
            fact=fact,
            level=own.level if own and own.level else Level.NOTE if call.open_ended or elsewhere else None,
            safety=None if is_sure or fact.safety == "manual" else Safety.UNSAFE,
            edits=(AddArgument(call.span, name, old),) if is_set and old != _ABSENT else (),
            advice=own.advice if own else fact.advice or f"{name}={old}",
            precondition=fact.precondition if is_sure else f"the project comes from TRL {route.source}",
            certainty=Certainty.LIKELY if call.open_ended else call.certainty,
        )


def _uses_vllm(call: Call, context: Context) -> bool:
    """Whether TRL is told to generate with vLLM, or may be."""
    if call.dead or call.certainty is Certainty.GUESS:
        return False
    written = call.argument("use_vllm")
    if written is not None:
        return written.value.literal is not False
    return call.open_ended and may_use_vllm(context)


def _written(argument: str, state: State) -> tuple[str, str]:
    """Argument and value that say a default explicitly; the value is "absent" where nothing can."""
    name, equals, value = state.to.partition("=")
    if not equals:
        name, value = argument, state.holds
    if value[:1] == "'":
        value = json.dumps(ast.literal_eval(value))
    return name, value


def _shown(value: str) -> str:
    return "not there" if value == _ABSENT else value


def _has_effect(call: Call, argument: str) -> bool:
    """Whether the other arguments leave this one a meaning."""
    if argument in _NEEDS:
        needed = call.argument(_NEEDS[argument])
        return needed is not None and needed.value.literal not in (False, 0, 0.0)
    if argument in _WITHOUT:
        other, value = _WITHOUT[argument]
        written = call.argument(other)
        return written is None or written.value.literal is not value
    return True
