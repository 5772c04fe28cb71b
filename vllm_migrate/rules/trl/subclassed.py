"""Which of TRL's own steps a project's trainer overrides, in the file that makes its configuration."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.resolve.syntax import last_name

if TYPE_CHECKING:
    from collections.abc import Iterator

_OF_SAMPLING = frozenset(
    {"_generate", "_generate_single_turn", "generation_config", "sampling_params", "vllm_generation"}
)
"""What TRL's constructor or its other steps make of the sampling's arguments (TRL 0.16.0 to 1.0.0)."""
_OF_LOSS = "_get_per_token_logps"
"""TRL's methods of this name divide the logits by the temperature."""


def trainer_class(tree: ast.Module, line: int) -> ast.ClassDef | None:
    """The subclass of `GRPOTrainer` that alone gets the configuration made on a line; None if not for sure.

    Args:
        tree: the file.
        line: of the call that makes the configuration, which a name keeps.
    """
    nodes = list(ast.walk(tree))
    names = {
        target.id
        for node in nodes
        if isinstance(node, ast.Assign) and node.lineno <= line <= (node.end_lineno or node.lineno)
        for target in node.targets
        if isinstance(target, ast.Name) and isinstance(node.value, ast.Call)
    }
    made = [node for node in nodes if isinstance(node, ast.Call) and last_name(node.func).endswith("Trainer")]
    classes = {last_name(call.func) for call in made}
    if len(classes) != 1 or not names:
        return None
    given = (value for call in made for value in (*call.args, *(word.value for word in call.keywords)))
    if not any(isinstance(value, ast.Name) and value.id in names for value in given):
        return None
    found = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name in classes]
    if len(found) != 1 or [last_name(base) for base in found[0].bases] != ["GRPOTrainer"]:
        return None
    return found[0]


def overridden(owner: ast.ClassDef, steps: frozenset[str]) -> frozenset[str]:
    """The steps that a class has as methods of its own, none of which goes on to TRL's."""
    own = {node.name for node in owner.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
    handed_on = {
        node.attr
        for node in ast.walk(owner)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Call)
        and last_name(node.value.func) == "super"
    }
    inherited = {node.attr for node in _attributes(owner)} - own
    return frozenset() if (handed_on | inherited) & (steps | {"compute_liger_loss"}) else steps & own


def goes_by_trl(owner: ast.ClassDef, argument: str) -> bool:
    """Whether a class uses what TRL makes of an argument: its sampling parameters or log-probabilities."""
    used = {node.attr for node in _attributes(owner)}
    if argument == "temperature" and any(name.startswith(_OF_LOSS) for name in used):
        return True
    return bool(used & _OF_SAMPLING)


def sets_itself(owner: ast.ClassDef, argument: str) -> bool:
    """Whether a class gives itself another value for an argument, `self.loss_type = "mine"`."""
    return any(
        isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and any(
            isinstance(target, ast.Attribute)
            and target.attr == argument
            and last_name(target.value) == "self"
            for target in node.targets
        )
        for node in ast.walk(owner)
    )


def _attributes(owner: ast.ClassDef) -> Iterator[ast.Attribute]:
    for node in ast.walk(owner):
        if isinstance(node, ast.Attribute) and last_name(node.value) == "self":
            yield node
