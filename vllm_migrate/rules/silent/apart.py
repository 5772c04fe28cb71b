"""Which of a project's files build engines that training has nothing to do with.

A project that trains evaluates its models, too, and tries and serves them. There the weights never change and
nothing is trained on what is drawn.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from vllm_migrate.resolve.calls import is_main_guard
from vllm_migrate.rules.engines import is_rl
from vllm_migrate.rules.module import found_again
from vllm_migrate.rules.silent.fed import (
    EVALUATION,
    draws,
    feeds_training,
    is_document,
    is_imported_by_training,
    is_test,
    is_training,
    keeps,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Call
    from vllm_migrate.rules.base import Context

_TRIAL = frozenset(
    {
        *("inference", "infer", "demo", "demos", "serve", "serving", "chat"),
        *("example", "examples", "tutorial", "tutorials", "quickstart", "playground", "webui", "gradio"),
        "tester",
    }
)
_NEAR = 2
_PUSHES = re.compile(rb"collective_rpc|sync_\w*weight|update_\w*(?:weight|param)|load_weights|broadcast")


def may_train(file: FileFacts, context: Context) -> bool:
    """Whether the engines of a file may be part of training: the project trains, and something says so."""
    return is_rl(context.project) and not is_apart(file, context) and feeds_training(file, context)


def is_apart(file: FileFacts, context: Context) -> bool:
    """Whether a file tests, evaluates, tries or serves a model, and no code that trains has to do with it.

    It must be called so, and unless it is a test, change no weights and train nothing; what is called after
    inference must not speak of rollouts or rewards either, since samples to train on are often drawn by
    scripts of that name. No file that trains or changes weights may import it. Code in documents is judged
    by itself.
    """
    if is_test(file.path):
        return True
    if file.use.trains or file.use.syncs_weights:
        return False
    if is_document(file.path):
        return True
    said = words(file.path)
    named = not said.isdisjoint(EVALUATION) or (not said.isdisjoint(_TRIAL) and not draws(file.source))
    return named and not is_imported_by_training(file.path, context, _NEAR)


def is_beside_training(file: FileFacts, call: Call, context: Context) -> bool:
    """Whether one engine of a file that isn't apart only evaluates, or tries the module it stands in."""
    return is_made_to_evaluate(file, call, context) or is_tried_out(file, call, context)


def is_made_to_evaluate(file: FileFacts, call: Call, context: Context) -> bool:
    """Whether the class that builds an engine is made by code that evaluates alone, its own file apart.

    A wrapper of an engine beside the code that trains, which `eval.py` makes one of.
    """
    if context.mentions is None or file.use.trains or file.use.syncs_weights:
        return False
    again = found_again(file, call)
    if again is None:
        return False
    module, node = again
    owner = next((above for above in module.around(node) if isinstance(above, ast.ClassDef)), None)
    if owner is None:
        return False
    name = owner.name.encode()
    named = re.compile(rb"\b%s\b(?!,|\s*$)" % name, re.MULTILINE)
    users = context.mentions.code_matches(named, name) - {file.path}
    return bool(users) and all(not words(user).isdisjoint(EVALUATION) for user in users)


def is_tried_out(file: FileFacts, call: Call, context: Context) -> bool:
    """Whether an engine is built by what only the `__main__` block of a module runs that others import.

    It is a trial: nothing is trained there, nothing is kept of what is drawn, and nobody changes the weights
    of what ends with the block.
    """
    written = _script(file, call, context)
    if written is None or context.mentions is None or is_training(written) or keeps(written):
        return False
    stem = re.escape(file.path.stem.encode())
    imported = re.compile(
        rb"^[ \t]*(?:from[ \t]+[\w.]*\b%s[ \t]+import\b|import[ \t]+[\w.]*\b%s\b)" % (stem, stem),
        re.MULTILINE,
    )
    return bool(context.mentions.code_matches(imported, stem) - {file.path})


def is_of_a_script_alone(file: FileFacts, call: Call, context: Context) -> bool:
    """Whether an engine is built for the `__main__` block of a module alone, which changes no weights."""
    if file.use.trains or file.use.syncs_weights or _PUSHES.search(file.source):
        return False
    return _script(file, call, context) is not None


def _script(file: FileFacts, call: Call, context: Context) -> bytes | None:
    """The code that builds an engine where nothing but the module's `__main__` block runs it.

    That is the block itself, or a function by whose name only the block, or other such functions, go.
    """
    again = found_again(file, call) if file.use.main_guard else None
    if again is None or context.mentions is None:
        return None
    module, node = again
    pending = [_top([node, *module.around(node)])]
    seen: list[ast.AST] = []
    while pending:
        one = pending.pop()
        if one in seen:
            continue
        seen.append(one)
        if isinstance(one, ast.If) and is_main_guard(one.test):
            continue
        if not isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return None
        users = [
            _top([name, *module.around(name)])
            for name in ast.walk(module.tree)
            if isinstance(name, ast.Name) and name.id == one.name and isinstance(name.ctx, ast.Load)
        ]
        named = re.compile(rb"\b%s\b" % one.name.encode())
        if not users or context.mentions.code_matches(named, one.name.encode()) - {file.path}:
            return None
        pending += users
    lines = file.source.splitlines()
    return b"\n".join(
        line for one in seen if isinstance(one, ast.stmt) for line in lines[one.lineno - 1 : one.end_lineno]
    )


def _top(around: Sequence[ast.AST]) -> ast.AST:
    """The statement of the module itself that is around a node; the module where there is none."""
    return around[-2] if len(around) > 1 else around[-1]
