"""VM890: an environment variable of vLLM's that the target doesn't read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.facts.model import Subject
from vllm_migrate.facts.surface.alike import same_setting, words
from vllm_migrate.rules.backstop.absent import near, sentence
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding
from vllm_migrate.rules.processes.variables import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.facts.surface.compare import Absence
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Variable
    from vllm_migrate.rules.base import Context

_ARGUMENTS = "vllm.engine.arg_utils.EngineArgs"


class UnknownVariable(Rule):
    """An environment variable of vLLM's is set that the target doesn't read.

    ## What it does
    Looks up every variable that starts with `VLLM_` among those the target reads, as they were extracted
    from its wheel. What another rule has reported is left out.

    ## Why it matters
    An unknown variable raises nothing: what it asked for doesn't happen. A variable that no release before
    the target read is a note, where it looks like a slip; it may as well be the project's own. Where an
    argument of the engine's has its name, or a variable like it came since, the advice says so.

    ## Fix safety
    Left to a person.
    """

    code = "VM890"
    name = "unknown-variable"
    summary = "an environment variable that the target doesn't read"
    level = Level.WARNING
    safety = Safety.MANUAL
    kinds = KINDS
    backstop = True
    examples = (
        Example(before="export VLLM_TRACE_FUNCTIONS=1\npython train.py\n", file_name="run.sh"),
        Example(before='import os\n\nos.environ["VLLM_LOGING_LEVEL"] = "DEBUG"\n'),
        Example(before='import os\n\nos.environ["VLLM_LOGGING_LEVEL"] = "DEBUG"\n', unchanged=True),
        Example(
            before="export VLLM_SERVERS=2\npython train.py --servers $VLLM_SERVERS\n",
            unchanged=True,
            file_name="run.sh",
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield the variables the target doesn't read."""
        for variable in file.variables:
            name = variable.name
            if variable.dead or not name.startswith("VLLM_"):
                continue
            absence = context.api.variable(name)
            if absence is None or context.facts.on_target(Subject.VARIABLE, name, context.target):
                continue
            meant = near(absence, name, context.api.surface.variables)
            level = _level(variable, absence, meant, file)
            if level is not None:
                yield make_finding(
                    self,
                    file,
                    variable.span,
                    sentence(name, absence, context.api),
                    level=level,
                    advice=_advice(name, meant, absence, context),
                )


def _advice(name: str, meant: str, absence: Absence, context: Context) -> str:
    """What to do about a variable: what may have taken its place comes before its removal."""
    if meant:
        return f"remove {name}, or set {meant} if that is meant"
    if not absence.last:
        return f"remove {name}"
    surface, before = context.api.surface, context.api.at(absence.last)
    alike = same_setting(name, surface.parameters(_ARGUMENTS) or ())
    wanted = {*words(name)} - {"vllm"}
    exact = next((one for one in alike if {*words(one)} == wanted), "")
    if exact:
        return f"the engine has an argument {exact}: see if it is to be set there, before {name} is removed"
    since = same_setting(name, (one for one in surface.variables if one not in before.variables))
    if since:
        return (
            f"{since[0]} came since, a guess by its name: see if it does the same, before {name} is removed"
        )
    return f"remove {name}"


def _level(variable: Variable, absence: Absence, meant: str, file: FileFacts) -> Level | None:
    if absence.last:
        return Level.WARNING if variable.action in ("set", "default") else Level.NOTE
    own = len(re.findall(rf"\b{variable.name}\b".encode(), file.source)) > 1
    return Level.NOTE if meant and not own and variable.action in ("set", "default") else None
