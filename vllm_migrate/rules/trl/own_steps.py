"""What a changed default means where the project's trainer draws its completions itself.

A subclass of `GRPOTrainer` with a `_prepare_inputs` or `_generate_and_score_completions` of its own leaves
TRL the loss. What TRL says of drawing completions is not so there, and what the step hands to the loss is the
project's affair.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level
from vllm_migrate.files.python import parse_text
from vllm_migrate.resolve.syntax import last_name
from vllm_migrate.rules.trl.subclassed import overridden, trainer_class
from vllm_migrate.values import dataclass

if TYPE_CHECKING:
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Call

_DRAWS = frozenset({"_generate_and_score_completions", "_prepare_inputs"})
_LOSS = frozenset({"compute_loss", "_compute_loss"})
_RATIO = "importance_sampling_ratio"
_PROMPTS = "max_prompt_length"
MADE = re.compile(rb"\b(\w+Trainer)\(")
"""The trainers that a file makes, by name."""
_DEFINED = re.compile(rb"^[ \t]*class[ \t]+(\w+)", re.MULTILINE)
_OF_TRL = frozenset({b"GRPOTrainer", b"RLOOTrainer", b"OnlineDPOTrainer"})


@dataclass(frozen=True, slots=True)
class Meaning:
    """What is said instead of TRL's own words: why the default matters here, and what to do.

    Attributes:
        level: None where it is that of the default.
    """

    because: str
    advice: str
    level: Level | None = None


def meaning(file: FileFacts, call: Call, argument: str, old: str) -> Meaning | None:
    """What an argument that is left to TRL means for a trainer that draws by itself; None where nothing else.

    Args:
        file: where the configuration is made.
        call: the call that makes it.
        argument: the one it leaves to TRL.
        old: what TRL had for it.
    """
    if argument not in _MEANINGS or not any(one.encode() in file.source for one in _DRAWS):
        return None
    try:
        tree = parse_text(file.source)
    except (SyntaxError, ValueError):
        return None
    owner = trainer_class(tree, file.source.count(b"\n", 0, call.callee.start) + 1)
    if owner is None or not overridden(owner, _DRAWS):
        return None
    return _MEANINGS[argument](owner, old)


def own_trainer(file: FileFacts) -> str:
    """The trainer of the project's own that this file makes, defined elsewhere; "" where TRL's may be."""
    found = set(MADE.findall(file.source))
    classes = set(_DEFINED.findall(file.source))
    return "" if len(found) != 1 or found & (_OF_TRL | classes) else found.pop().decode()


def _of_temperature(owner: ast.ClassDef, old: str) -> Meaning:
    return Meaning(
        f"{owner.name} draws completions itself, and TRL takes log-probabilities of logits divided by it",
        f"temperature={old}, or the one that the completions are drawn at",
    )


def _of_prompts(owner: ast.ClassDef, old: str) -> Meaning | None:
    own = [node for node in ast.walk(owner) if _is_own(node, _PROMPTS)]
    if not own or any(isinstance(node.ctx, ast.Store) for node in own if isinstance(node, ast.Attribute)):
        return None
    return Meaning(
        f"{owner.name} reads self.{_PROMPTS}, which TRL's constructor no longer sets: an AttributeError",
        f"set it in {owner.name}'s constructor: self.{_PROMPTS} = {old}",
        Level.ERROR,
    )


def _of_ratio(owner: ast.ClassDef, _old: str) -> Meaning | None:
    if overridden(owner, _LOSS) or any(
        isinstance(node, ast.Constant) and node.value == _RATIO for node in ast.walk(owner)
    ):
        return None
    return Meaning(
        f"where use_vllm is set, TRL's loss looks for the {_RATIO} that TRL's own step gives it, and "
        f"{owner.name}'s doesn't: a KeyError",
        "vllm_importance_sampling_correction=False",
    )


_MEANINGS = {
    "temperature": _of_temperature,
    _PROMPTS: _of_prompts,
    "vllm_importance_sampling_correction": _of_ratio,
}


def _is_own(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == name and last_name(node.value) == "self"
