"""Whether a configuration and the trainer it goes to are TRL's, or the project's own under TRL's name.

A fork of TRL has the arguments and defaults of no release. A subclass of a configuration may set a default
itself, and a trainer that derives from transformers' `Trainer` reads only what its own code reads.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from vllm_migrate.files.python import parse_text
from vllm_migrate.resolve.syntax import last_name
from vllm_migrate.rules.trl.own_steps import MADE
from vllm_migrate.rules.trl.replaced import reads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Call
    from vllm_migrate.rules.base import Context

_FORK = re.compile(
    rb"trl(?<![\w./-]trl)[\"']?[ \t]*(?:"
    rb"=[ \t]*\{(?![^}\n]*huggingface/trl)[^}\n]*\b(?:path|git)[ \t]*="
    rb"|@[ \t]*(?:git\+|file:)(?!\S*huggingface/trl))"
)
"""A requirement on TRL from a folder or another's repository, as pip, Poetry and uv write one."""
_INSTALLED_FORK = re.compile(rb"git\+(?:https?|ssh)://[^\s\"'/]+/(?!huggingface/)[\w.-]+/trl(?![\w-])")
_OWN_TRAINER = ("trl", "trainer", "grpo_trainer.py")
"""The end of the path of a trainer in a copy of TRL that a project ships."""
_OF_TRANSFORMERS = frozenset({"bf16", "gradient_checkpointing"})
"""Arguments that transformers' own `Trainer` reads."""


def is_forked(context: Context) -> bool:
    """Whether the project's TRL is a fork, by what it requires or by a copy that it ships."""
    mentions = context.mentions
    return mentions is not None and (
        mentions.has_file(_OWN_TRAINER)
        or mentions.matches(_FORK, b"trl")
        or mentions.matches(_INSTALLED_FORK, b"/trl")
    )


def is_own_default(file: FileFacts, call: Call, argument: str, context: Context) -> bool:
    """Whether an argument that a call leaves out is not left to TRL.

    Either the configuration is a subclass of the project's own that has a default for it, or every trainer it
    can go to derives from transformers' `Trainer`, in a file that doesn't read the argument.

    Args:
        file: where the configuration is made.
        call: the call that makes it.
        argument: the one it leaves out.
        context: gives the project's other files.
    """
    callee = file.text(call.callee)
    inside = callee.startswith("super(")
    name = callee.rpartition(".")[2]
    own = not inside and f"trl.{name}" != call.target
    if not own and not inside and not MADE.search(file.source):
        return False
    tree = _parsed(file.source)
    if own:
        found = next(_defined(name, file, tree, context), None)
        if found is None:
            return False
        tree, configuration = found
        if _has_default(configuration, argument):
            return True
    if tree is None or argument in _OF_TRANSFORMERS:
        return False
    trainers = list(_trainers_of(tree)) if own or inside else list(_made(file, tree, context))
    return bool(trainers) and all(
        [last_name(base) for base in trainer.bases] == ["Trainer"] and not reads(place, argument)
        for place, trainer in trainers
    )


def _has_default(configuration: ast.ClassDef, argument: str) -> bool:
    """Whether a class has a field, or its constructor a parameter, with a default of that name."""
    for node in configuration.body:
        if isinstance(node, ast.AnnAssign) and last_name(node.target) == argument and node.value is not None:
            return True
        if isinstance(node, ast.Assign) and any(last_name(target) == argument for target in node.targets):
            return True
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            names = [one.arg for one in (*node.args.posonlyargs, *node.args.args)]
            named = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            with_default = names[len(names) - len(node.args.defaults) :]
            if argument in with_default or any(
                one.arg == argument and default is not None for one, default in named
            ):
                return True
    return False


def _trainers_of(tree: ast.Module) -> Iterator[tuple[ast.Module, ast.ClassDef]]:
    """The trainers of a file that don't derive from another one of it."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name.endswith("Trainer")]
    names = {node.name for node in classes}
    for node in classes:
        if not names & {last_name(base) for base in node.bases}:
            yield tree, node


def _made(
    file: FileFacts, tree: ast.Module | None, context: Context
) -> Iterator[tuple[ast.Module, ast.ClassDef]]:
    """The trainers that a file makes; none where a class of them isn't the project's."""
    found = []
    for name in sorted(set(MADE.findall(file.source))):
        places = list(_defined(name.decode(), file, tree, context))
        if not places:
            return
        found += places
    yield from found


def _defined(
    name: str, file: FileFacts, tree: ast.Module | None, context: Context
) -> Iterator[tuple[ast.Module, ast.ClassDef]]:
    """The classes of a name in this file, or else in the project's others."""
    here = list(_classes(tree, name))
    if here or context.mentions is None:
        yield from here
        return
    for _, source in context.mentions.code(f"class {name}(".encode(), file.path):
        yield from _classes(_parsed(source), name)


def _classes(tree: ast.Module | None, name: str) -> Iterator[tuple[ast.Module, ast.ClassDef]]:
    if tree is None:
        return
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            yield tree, node


def _parsed(source: bytes) -> ast.Module | None:
    """The tree of a file; None for one that is no plain Python."""
    try:
        return parse_text(source)
    except (SyntaxError, ValueError):
        return None
