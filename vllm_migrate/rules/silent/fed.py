"""What shows that training has something to do with the engines of a file.

That a project trains says little of an engine somewhere in it: it may judge, translate, chat or measure. So
something must lead from the engine to the training, or name what it draws for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.files.prefilter import syncs_weights, takes_logprobs, trains

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import PurePosixPath

    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.rules.base import Context

EVALUATION = frozenset(
    {
        *("eval", "evals", "evaluate", "evaluation", "evaluations", "evaluator", "evaluators"),
        *("benchmark", "benchmarks", "bench", "analysis", "analyze", "analyse"),
    }
)
_IN_TRAINING = frozenset(
    {
        *("train", "training", "trainer", "trainers", "rl", "rlhf"),
        *("ppo", "grpo", "dpo", "rloo", "reinforce"),
        *("rollout", "rollouts", "actor", "actors", "policy"),
    }
)
"""Places of code that training draws by as it runs."""
_FOR_TRAINING = frozenset(
    {
        *("gen", "generate", "generation", "sample", "sampling", "synthesis", "synthesize", "synthetic"),
        *("data", "reject", "rejection", "preference", "preferences", "reward", "rewards", "prm"),
        *("label", "labels", "labeling", "distill", "distillation", "collect"),
    }
)
"""Places of code that draws what is trained on afterwards."""
_DRAWS = re.compile(rb"rollout|reward|reject(?:ion)?_sampl|[gd]?ppo\b|\bdpo\b|grpo", re.IGNORECASE)
_ROLLS = re.compile(rb"rollout|reject(?:ion)?_sampl|[gd]?ppo\b|\bdpo\b|grpo", re.IGNORECASE)
"""What a search by a reward model, which trains nothing, doesn't speak of."""
_PREFERENCES = re.compile(rb"[\"'](?:chosen|rejected)[\"']")
"""Fields of the pairs that preferences are trained on."""
_KEEPS = re.compile(
    rb"collective_rpc|weights|\bopen\(|dump|save|write|\.to_(?:json|csv|parquet|disk)\b|\.put\(|push_to_hub"
)
"""How an engine is given other weights, and what was drawn is handed on to somebody."""
_SAID = re.compile(rb"(?s:\"\"\".*?\"\"\"|'''.*?''')|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|#[^\n]*")
_TRAINER = b"Trainer("
_TEST = re.compile(r"(?:^|/)(?:tests?|testing)/|(?:^|/)tests?(?:_(?!time)[^/]*)?\.\w+$|_test\.\w+$")
_DOCUMENTS = frozenset({".md", ".markdown", ".mdx", ".rst"})
_DEEPEST = 3


def feeds_training(file: FileFacts, context: Context) -> bool:
    """Whether what the engines of a file draw may be trained on, as far as anything shows it.

    The file trains, changes weights, imports what does or is imported by it, or its place says so. What draws
    samples that are trained on later is called so, or speaks of rollouts or chosen samples, and keeps them.
    """
    if updates_reach(file, context):
        return True
    for_it = not words(file.path).isdisjoint(_FOR_TRAINING) or _PREFERENCES.search(file.source) is not None
    if for_it or _says(_ROLLS, file.source):
        return keeps(file.source) or any(True for _ in _importers(file.path, context))
    return context.mentions is not None and any(
        map(is_training, context.mentions.imported(file.path, file.source))
    )


def updates_reach(file: FileFacts, context: Context) -> bool:
    """Whether the weights of a file's engines may be those that the project changes."""
    return (
        file.use.trains
        or file.use.syncs_weights
        or context.mentions is None
        or b"lora_tensors" in file.source  # adapters from memory are those of a trainer
        or b"driver_worker" in file.source  # who reaches for the model has to do with its weights
        or not words(file.path).isdisjoint(_IN_TRAINING)
        or is_imported_by_training(file.path, context)
    )


def draws(source: bytes) -> bool:
    """Whether code speaks of rollouts or rewards, what it says in texts and comments left aside."""
    return _says(_DRAWS, source)


def _says(pattern: re.Pattern[bytes], source: bytes) -> bool:
    return pattern.search(source) is not None and pattern.search(_SAID.sub(b"", source)) is not None


def keeps(source: bytes) -> bool:
    """Whether code may hand on what was drawn, or change weights."""
    return _KEEPS.search(source) is not None


def is_training(source: bytes) -> bool:
    """Whether bytes of code train, or change the weights of an engine."""
    return trains(source) or syncs_weights(source) or _TRAINER in source


def are_read_near(file: FileFacts, context: Context) -> bool:
    """Whether log-probabilities are read by a file, by what it imports, or by what imports it in turn."""
    if context.mentions is None or file.use.takes_logprobs or file.use.reads_logprobs:
        return True
    if any(map(takes_logprobs, context.mentions.imported(file.path, file.source))):
        return True
    seen = {file.path}
    layer = [file.path]
    for _ in range(_DEEPEST):
        found = {
            other: source
            for one in layer
            for other, source in context.mentions.importers(one).items()
            if other not in seen
        }
        if any(map(takes_logprobs, found.values())):
            return True
        seen |= found.keys()
        layer = list(found)
    return False


def is_imported_by_training(path: PurePosixPath, context: Context, deepest: int = _DEEPEST) -> bool:
    """Whether a file that trains or changes weights imports a file, by way of a few others at most.

    Tests, and code that evaluates, are no training.
    """
    seen = {path}
    layer = [path]
    for _ in range(deepest):
        found: list[PurePosixPath] = []
        for one in layer:
            for other, source in _importers(one, context):
                if other in seen:
                    continue
                if is_training(source):
                    return True
                seen.add(other)
                found.append(other)
        layer = found
    return False


def _importers(path: PurePosixPath, context: Context) -> Iterator[tuple[PurePosixPath, bytes]]:
    found = context.mentions.importers(path) if context.mentions is not None else {}
    return (
        (other, source)
        for other, source in found.items()
        if not is_test(other) and words(other).isdisjoint(EVALUATION)
    )


def is_document(path: PurePosixPath) -> bool:
    """Whether a file is a text that shows code."""
    return path.suffix in _DOCUMENTS


def is_test(path: PurePosixPath) -> bool:
    """Whether a file is a test, by its place or name."""
    return _TEST.search(path.as_posix()) is not None


def words(path: PurePosixPath) -> set[str]:
    """The words in a path, without the ending: eval, search and online of `eval/search_online.py`."""
    return {
        word.lower() for part in (*path.parts[:-1], path.stem) for word in re.split(r"[\W_]+", part) if word
    }
