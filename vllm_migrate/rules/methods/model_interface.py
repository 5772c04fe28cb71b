"""Which methods of a user's own model the engine asks for by another name on the target."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.resolve.syntax import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.resolve.syntax import Function
    from vllm_migrate.rules.module import Module

NOW = {"get_input_embeddings": "embed_input_ids", "get_multimodal_embeddings": "embed_multimodal"}
_OF_MODELS = frozenset({"forward", "compute_logits"})
_CONFIG = "vllm_config"


def may_have_old_names(file: FileFacts) -> bool:
    """Whether a file can hold such a model at all."""
    source = file.source
    return b"compute_logits" in source and any(old.encode() in source for old in NOW)


def old_names(module: Module) -> Iterator[Function]:
    """The methods by their old names, of classes that the engine loads as models.

    Such a class is built from `vllm_config` and computes logits. What it has by both names fits either
    release, and the modules inside a model are asked by nobody but the model.
    """
    for node in module.all(ast.ClassDef):
        methods = {one.name: one for one in node.body if isinstance(one, FUNCTIONS)}
        named = {
            t.id for s in node.body if isinstance(s, ast.Assign) for t in s.targets if isinstance(t, ast.Name)
        }
        if not methods.keys() >= _OF_MODELS or not _is_built_by_engine(methods.get("__init__")):
            continue
        for old, new in NOW.items():
            if old in methods and new not in methods and new not in named:
                yield methods[old]


def _is_built_by_engine(constructor: Function | None) -> bool:
    if constructor is None:
        return False
    given = constructor.args
    return any(one.arg == _CONFIG for one in (*given.args, *given.kwonlyargs))
