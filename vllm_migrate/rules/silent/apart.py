"""Which of a project's files build engines that training has nothing to do with.

A project that trains evaluates its models, too, and tries and serves them. There the weights never change and
nothing is trained on what is drawn.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from vllm_migrate.files.prefilter import syncs_weights, trains
from vllm_migrate.resolve.calls import is_main_guard
from vllm_migrate.rules.engines import is_rl
from vllm_migrate.rules.module import found_again

if TYPE_CHECKING:
    from pathlib import PurePosixPath

    from vllm_migrate.files.located import Call, FileFacts
    from vllm_migrate.rules.base import Context

_DOCUMENTS = frozenset({".md", ".markdown", ".mdx", ".rst"})
_EVALUATION = frozenset(
    {
        *("eval", "evals", "evaluate", "evaluation", "evaluations", "evaluator", "evaluators"),
        *("benchmark", "benchmarks", "bench", "analysis", "analyze", "analyse"),
    }
)
_TRIAL = frozenset(
    {
        *("inference", "infer", "demo", "demos", "serve", "serving", "chat"),
        *("example", "examples", "tutorial", "tutorials", "quickstart", "playground", "webui", "gradio"),
    }
)
_TESTS = frozenset({"test", "tests", "tester"})
_DRAWS = re.compile(rb"rollout|reward|reject(?:ion)?_sampl|best_of|[gd]?ppo\b|\bdpo\b|grpo", re.IGNORECASE)
"""What code speaks of that draws samples to train on, between two runs of a trainer."""
_KEEPS = re.compile(
    rb"collective_rpc|weights|\bopen\(|dump|save|write|\.to_(?:json|csv|parquet|disk)\b|\.put\("
)
"""How an engine is given other weights, and what was drawn is handed on to somebody."""
_TRAINER = re.compile(rb"\b\w*Trainer\(")
_CLASS = re.compile(rb"^class[ \t]+(\w+)", re.MULTILINE)


def may_train(file: FileFacts, context: Context) -> bool:
    """Whether the engines of a file may be part of training: the project trains, and the file isn't apart."""
    return is_rl(context.project) and not is_apart(file, context)


def is_apart(file: FileFacts, context: Context) -> bool:
    """Whether a file evaluates, tries or serves a model, and no code that trains has to do with it.

    It must be called so, change no weights and train nothing; what is called after inference or a test must
    not speak of rollouts or rewards either, since samples to train on are often drawn by scripts of that
    name. No file that trains or changes weights may import it. Code in documents is judged by itself.
    """
    if file.use.trains or file.use.syncs_weights:
        return False
    if is_document(file.path):
        return True
    words = _words(file.path)
    named = not words.isdisjoint(_EVALUATION) or (
        not words.isdisjoint(_TRIAL | _TESTS) and not _DRAWS.search(file.source)
    )
    return named and not _is_imported_by_training(file, context)


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
    return bool(users) and all(not _words(user).isdisjoint(_EVALUATION) for user in users)


def is_tried_out(file: FileFacts, call: Call, context: Context) -> bool:
    """Whether an engine is built in the `__main__` block of a module that others import: a trial of it.

    Nothing is trained there, nothing is kept of what is drawn, and nobody changes the weights of what ends
    with the block.
    """
    if context.mentions is None or call.function or not file.use.main_guard:
        return False
    again = found_again(file, call)
    if again is None:
        return False
    module, node = again
    above = [node, *module.around(node)]
    block = next((one for one in above if isinstance(one, ast.If) and is_main_guard(one.test)), None)
    if block is None:
        return False
    written = (ast.get_source_segment(file.source.decode(errors="replace"), block) or "").encode()
    if _trains(written) or _KEEPS.search(written):
        return False
    stem = re.escape(file.path.stem.encode())
    imported = re.compile(
        rb"^[ \t]*(?:from[ \t]+[\w.]*\b%s[ \t]+import\b|import[ \t]+[\w.]*\b%s\b)" % (stem, stem),
        re.MULTILINE,
    )
    return bool(context.mentions.code_matches(imported, stem) - {file.path})


def is_document(path: PurePosixPath) -> bool:
    """Whether a file is a text that shows code."""
    return path.suffix in _DOCUMENTS


def is_test(path: PurePosixPath) -> bool:
    """Whether a file is a test, by its place or name."""
    return not _words(path).isdisjoint(_TESTS)


def _words(path: PurePosixPath) -> set[str]:
    """The words in a path, without the ending: eval, search and online of `eval/search_online.py`."""
    return {
        word.lower() for part in (*path.parts[:-1], path.stem) for word in re.split(r"[\W_]+", part) if word
    }


def _is_imported_by_training(file: FileFacts, context: Context) -> bool:
    """Whether a file that trains or changes weights imports this one, or names a class of it."""
    if context.mentions is None:
        return False
    stem = file.path.stem.encode()
    imported = re.compile(rb"^[ \t]*(?:from|import)[ \t][^\n]*\b%s\b" % re.escape(stem), re.MULTILINE)
    if stem != b"vllm" and any(  # who imports that means vLLM itself
        imported.search(source) and _trains(source) for _, source in context.mentions.code(stem, file.path)
    ):
        return True
    return any(
        _trains(source)
        for name in set(_CLASS.findall(file.source))
        for _, source in context.mentions.code(name, file.path)
    )


def _trains(source: bytes) -> bool:
    return trains(source) or syncs_weights(source) or _TRAINER.search(source) is not None
