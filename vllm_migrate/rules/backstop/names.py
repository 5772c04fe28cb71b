"""VM190: a name or module of vLLM's that the target doesn't have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.facts.model import Subject
from vllm_migrate.files.located import Certainty, Import
from vllm_migrate.rules.backstop.absent import is_expected, is_made, level_of, sentence
from vllm_migrate.rules.backstop.instead import known_of_module, known_successor, nothing_known, of_name
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding
from vllm_migrate.rules.imports.lookup import is_reported_elsewhere, where_unused
from vllm_migrate.rules.weight_sync.extension import is_worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.facts.surface.compare import Absence
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Reference
    from vllm_migrate.rules.base import Context

_RELATIVE = re.compile(r"from\s*\.")


class GoneName(Rule):
    """A name of vLLM's is used that the target's API doesn't have, and no other rule has reported it.

    ## What it does
    Looks up every import from vLLM, every dotted use and every name in a string that is patched in the API of
    the target, as it was extracted from its wheel, and says where the name is now.

    ## Why it matters
    The import fails. A guarded one is a note: the code runs on, without what it wanted. So is a name in
    any other string. A use of a name that no known release before the target had is a warning: probably a
    slip, or code for another version. Its import is an error all the same.

    ## Fix safety
    Left to a person: that a name is elsewhere doesn't say that it means the same there.
    """

    code = "VM190"
    name = "gone-name"
    summary = "a name of vLLM's that the target lacks"
    level = Level.ERROR
    safety = Safety.MANUAL
    backstop = True
    examples = (
        Example(
            before=(
                "from vllm.model_executor.layers.rejection_sampler import RejectionSampler\n\n"
                "sampler = RejectionSampler()\n"
            ),
        ),
        Example(before="from vllm import envs\n\nkey = envs.compute_hash()\n"),
        Example(before="from vllm import envs\n\nnew = envs.VLLM_USE_V1\n"),
        Example(
            before=(
                "import vllm.model_executor.layers.pooler\n\n\n"
                "class Mine(vllm.model_executor.layers.pooler.StepPool):\n    pass\n"
            ),
        ),
        Example(before="from vllm import SamplingParamz\n\nparams = SamplingParamz()\n"),
        Example(before="from vllm import LLM, SamplingParams\n\nparams = SamplingParams()\n", unchanged=True),
        Example(before="from mylib.vllm import Sampler\n\nsampler = Sampler()\n", unchanged=True),
        Example(
            before=(
                "try:\n    from vllm.v1.sample.rejection_sampler import RejectionSampler\n"
                "except ImportError:\n"
                "    from vllm.model_executor.layers.rejection_sampler import RejectionSampler\n"
            ),
            unchanged=True,
        ),
        Example(
            before="from vllm.model_executor.layers.fused_moe import FusedMoE\n\nlayer = FusedMoE\n",
            unchanged=True,
            target="0.18.1",
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield what the target lacks."""
        lacking: list[Import] = []
        for name in file.imports:
            if not _is_ours(name.module) or _RELATIVE.match(file.text(name.statement)):
                continue
            absence = _import_absence(name, context)
            if absence is None:
                continue
            lacking.append(name)
            twin = _has_twin(name, file, context)
            if name.dead or (name.guarded and twin) or context.import_state(name.qualified):
                continue
            expected = name.guarded or twin
            level = level_of(absence, Certainty.CERTAIN, expected=expected)
            if level is not None:  # an import fails whatever releases that aren't known had
                yield self._finding(file, name, absence, level if expected else Level.ERROR, context)
        for reference in file.references:
            if not _is_ours(reference.qualified) or reference.dead or _hangs_on(reference, lacking, file):
                continue
            if is_reported_elsewhere(reference, context):
                continue
            absence = context.api.name(reference.qualified)
            if absence is None or _has_its_rule(reference, file, context):
                continue
            level = _level(reference, absence, file, context)
            if level is not None:
                yield self._finding(file, reference, absence, level, context)

    def _finding(
        self, file: FileFacts, use: Import | Reference, absence: Absence, level: Level, context: Context
    ) -> Finding:
        advice = (
            _of_variable(use.qualified, context)
            or known_successor(use.qualified, context)
            or of_name(use.qualified, context)
            or known_of_module(use.qualified, context)
        )
        if isinstance(use, Import):
            advice = where_unused(use, file, advice)
        return make_finding(
            self,
            file,
            use.span,
            sentence(use.qualified, absence, context.api),
            level=level,
            advice=advice or nothing_known(absence),
        )


_UNREAD = "nothing reads it"


def _of_variable(qualified: str, context: Context) -> str:
    """What is known of the environment variable behind a name of `vllm.envs`."""
    module, _, name = qualified.rpartition(".")
    known = context.facts.on_target(Subject.VARIABLE, name, context.target) if module == "vllm.envs" else None
    if known is None:
        return ""
    if known[0].because == _UNREAD:
        return (
            f"{_UNREAD} in the target: write a value of your own out where this code needs one, or do without"
        )
    return f"{known[0].because}: do without it"


def _is_ours(module: str) -> bool:
    return module == "vllm" or module.startswith("vllm.")


def _import_absence(name: Import, context: Context) -> Absence | None:
    if not name.name or name.name == "*":
        return context.api.module(name.module)
    return context.api.imported(name.module, name.name)


def _has_twin(name: Import, file: FileFacts, context: Context) -> bool:
    """Whether another import binds the same name to something the target has."""
    return any(
        other is not name
        and other.alias == name.alias
        and not other.dead
        and (not _is_ours(other.module) or _import_absence(other, context) is None)
        for other in file.imports
    )


def _hangs_on(reference: Reference, lacking: list[Import], file: FileFacts) -> bool:
    """Whether a use is one of an import that fails already, or of one that expects to fail."""
    unsure = [name for name in file.imports if (name.guarded or name.dead) and _is_ours(name.module)]
    return any(
        reference.qualified == name.qualified or reference.qualified.startswith(f"{name.qualified}.")
        for name in [*lacking, *unsure]
        if name.qualified != "vllm"
    )


def _has_its_rule(reference: Reference, file: FileFacts, context: Context) -> bool:
    """Whether a fact names it, so that the rules on imports, patches or workers judge it."""
    if context.import_state(reference.qualified) is None:
        return False
    if reference.context != "base":
        return True
    return any(is_worker(one) for one in file.classes for _, span in one.bases if span == reference.span)


def _level(reference: Reference, absence: Absence, file: FileFacts, context: Context) -> Level | None:
    parent, _, name = reference.qualified.rpartition(".")
    there = context.api.surface.has(parent)
    if reference.context == "string" and reference.certainty is not Certainty.CERTAIN:
        # may be a logger's name, a file's, or mere text
        return Level.NOTE if absence.last and there else None
    if reference.context == "assign" and there:  # adds what isn't there, or patches nothing
        return Level.WARNING if absence.last else None
    if not absence.last and is_made(file, name):
        return None
    return level_of(absence, reference.certainty, expected=reference.never_run or is_expected(file, name))
