"""Which of TRL's own steps a project replaces in the trainer that a configuration goes to.

A trainer whose `_prepare_inputs` brings completions of the project's own samples nothing, and one whose
`compute_loss` is the project's computes none of TRL's losses: the arguments of those steps mean nothing then.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from vllm_migrate.files.python import parse_text
from vllm_migrate.resolve.syntax import last_name
from vllm_migrate.rules.trl.subclassed import goes_by_trl, overridden, sets_itself, trainer_class

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Call
    from vllm_migrate.rules.base import Context

_SAMPLING = frozenset({"_prepare_inputs", "_generate_and_score_completions"})
_LOSS = frozenset({"compute_loss", "_compute_loss"})
_STEPS = _SAMPLING | _LOSS
_USED_IN = {
    "beta": (_SAMPLING, _LOSS),
    "loss_type": (_LOSS,),
    "max_completion_length": (_SAMPLING, _LOSS),
    "max_prompt_length": (_SAMPLING,),
    "temperature": (_SAMPLING, _LOSS),
    "top_k": (_SAMPLING,),
    "use_bias_correction_kl": (_LOSS,),
    "vllm_importance_sampling_cap": (_LOSS,),
    "vllm_importance_sampling_correction": (_LOSS,),
    "vllm_importance_sampling_mode": (_LOSS,),
}
"""The steps of `GRPOTrainer` (grpo_trainer.py, TRL 1.0.0) that read an argument: all of them must be gone."""
_UNSLOTH = re.compile(rb"^[ \t]*(?:from|import)[ \t]+unsloth\b", re.MULTILINE)
_MODE = "vllm_mode"
_HOLDERS = frozenset({"args", "self", "trainer"})


def is_unused(file: FileFacts, call: Call, argument: str, context: Context) -> bool:
    """Whether nothing reads an argument: every step that does is replaced, and the replacement doesn't.

    Args:
        file: where the configuration is made.
        call: the call that makes it.
        argument: the one it leaves to TRL.
        context: gives the project's other files.
    """
    if argument == _MODE:
        return _has_own_engine(file, call)
    steps = _USED_IN.get(argument)
    if steps == (_LOSS,) and _UNSLOTH.search(file.source):
        return True  # Unsloth patches TRL's trainer when it is imported, and computes another loss
    if steps is None or not any(step.encode() in file.source for step in _STEPS):
        return False
    tree = _parsed(file.source)
    if tree is None:
        return False
    line = file.source.count(b"\n", 0, call.callee.start) + 1
    owner = trainer_class(tree, line)
    if owner is not None:
        own = overridden(owner, _STEPS)
        read = reads(tree, argument, _HOLDERS - {"self"} if sets_itself(owner, argument) else _HOLDERS)
        if not read and not goes_by_trl(owner, argument) and all(own & step for step in steps):
            return True
    trainers = {ast.unparse(target) for target in _trainers(tree, line)}
    replaced = {name for name, holder in _assigned(tree) if holder in trainers}
    if not replaced:
        return False
    trees = [tree, *_others(file, context)]
    for other in trees[1:]:
        replaced |= {name for name, _ in _assigned(other)}
    read = any(reads(one, argument) for one in trees)
    return not read and all(replaced & step for step in steps)


def _has_own_engine(file: FileFacts, call: Call) -> bool:
    """Whether TRL never starts or asks an engine, so that where it would run means nothing.

    Unsloth's `PatchFastRL` has the trainer draw from the engine that its model brings. A trainer class of the
    project's own may turn `use_vllm` on for itself alone, and draw from a client of its own.
    """
    if b"PatchFastRL" not in file.source and b"self.use_vllm" not in file.source:
        return False
    tree = _parsed(file.source)
    if tree is None:
        return False
    if any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "PatchFastRL"
        for node in ast.walk(tree)
    ):
        return True
    owner = trainer_class(tree, file.source.count(b"\n", 0, call.callee.start) + 1)
    return (
        owner is not None
        and call.argument("use_vllm") is None
        and sets_itself(owner, "use_vllm")
        and bool(overridden(owner, _STEPS) & _SAMPLING)
        and not goes_by_trl(owner, _MODE)
        and not reads(tree, _MODE)
    )


def _trainers(tree: ast.Module, line: int) -> Iterator[ast.expr]:
    """What holds a trainer that is made with a configuration that is made on a line of the same statement."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            callee = node.value.func
            name = last_name(callee)
            if name.endswith("Trainer") and node.lineno <= line <= (node.end_lineno or node.lineno):
                yield from node.targets


def _assigned(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The steps that are replaced by assignment, each with what holds the trainer.

    A step that is given the value of a plain name of its own is put back rather than replaced.
    """
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            if isinstance(target, ast.Attribute) and target.attr in _STEPS:
                back = isinstance(node.value, ast.Name) and node.value.id.strip("_") == target.attr.strip("_")
                if not back:
                    yield target.attr, ast.unparse(target.value)


def _others(file: FileFacts, context: Context) -> Iterator[ast.Module]:
    """The project's other files in which a trainer's loss is replaced."""
    if context.mentions is None:
        return
    for _, source in context.mentions.code(b".compute_loss", file.path):
        tree = _parsed(source)
        if tree is not None and any(True for _ in _assigned(tree)):
            yield tree


def _parsed(source: bytes) -> ast.Module | None:
    """The tree of a file; None for one that is no plain Python, such as a notebook's cells with magics."""
    try:
        return parse_text(source)
    except (SyntaxError, ValueError):
        return None


def reads(tree: ast.Module, argument: str, holders: frozenset[str] = _HOLDERS) -> bool:
    """Whether a file reads the argument of a trainer or its configuration."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == argument and isinstance(node.ctx, ast.Load):
            holder = node.value
            name = last_name(holder)
            if name in holders:
                return True
    return False
