"""From a file's bytes to its facts, by kind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.errors import InputError
from vllm_migrate.files.kinds import SETTINGS, FileKind, kind_by_name, kind_of

if TYPE_CHECKING:
    from pathlib import PurePosixPath

    from vllm_migrate.facts.model import Target
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.resolve.project import ProjectIndex

__all__ = ["kind_by_name", "kind_of", "may_matter", "read_file"]

_UNJUDGED = "nothing in this file was judged; exclude it or mend it"
_NEEDLES = {
    FileKind.SHELL: re.compile(rb"vllm|rollout\.|\btrl\b|vllm-migrate", re.IGNORECASE),
    FileKind.YAML: re.compile(rb"vllm|engine_kwargs|engine_args|rollout:|sampling_params", re.IGNORECASE),
    FileKind.TOML: re.compile(
        rb"vllm|\btrl\b|engine_kwargs|engine_args|rollout\b|sampling_params|"
        rb"gpu_memory_utilization|tensor_parallel_size|enforce_eager|max_num_seqs|max_model_len",
        re.IGNORECASE,
    ),
    FileKind.REQUIREMENTS: re.compile(rb"\b(?:vllm|trl)\b", re.IGNORECASE),
    FileKind.SETUP_CFG: re.compile(rb"\b(?:vllm|trl)\b", re.IGNORECASE),
    FileKind.DOCKERFILE: re.compile(rb"vllm|\btrl\b", re.IGNORECASE),
    FileKind.MARKDOWN: re.compile(rb"vllm|\btrl\b", re.IGNORECASE),
    FileKind.NOTEBOOK: re.compile(rb"vllm|\btrl\b|llm_engine|model_executor|driver_worker", re.IGNORECASE),
}


def may_matter(kind: FileKind, source: bytes) -> bool:
    """Whether a file that is not Python can hold anything of interest: a search for bytes, no parsing."""
    return _NEEDLES[kind].search(source) is not None


def read_file(
    path: PurePosixPath,
    kind: FileKind,
    source: bytes,
    index: ProjectIndex | None,
    target: Target | None,
    *,
    inside: bool = False,
) -> FileFacts:
    """The facts of one file.

    Args:
        path: relative to the root the user named; of a part, that of the file around it.
        kind: what it is read as.
        source: its bytes.
        index: what the project's modules say; None for a file by itself.
        target: decides which branches of Python code are alive; None leaves every branch alive.
        inside: it is a part of another file; scripts inside others have no parts of their own.

    Raises:
        InputError: where the file can't be read as what its kind says, or what is in it is nested too deeply.
    """
    try:
        return _read(path, kind, source, index, target, inside=inside)
    except RecursionError:
        raise InputError(f"{path}: nested too deeply to be read", hint=_UNJUDGED) from None
    except MemoryError:
        raise InputError(f"{path}: takes more memory to read than there is", hint=_UNJUDGED) from None


def _read(
    path: PurePosixPath,
    kind: FileKind,
    source: bytes,
    index: ProjectIndex | None,
    target: Target | None,
    *,
    inside: bool,
) -> FileFacts:
    def read_part(kind: FileKind, text: bytes) -> FileFacts:
        return read_file(path, kind, text, index, target, inside=True)

    if kind is FileKind.PYTHON:
        from vllm_migrate.resolve.python import read_python  # noqa: PLC0415 - loaded for the kinds a tree has

        return read_python(path, source, index, target)
    if kind is FileKind.NOTEBOOK:
        from vllm_migrate.files.notebook import read_notebook  # noqa: PLC0415 - loaded for the kinds a tree has

        # Whatever is in it: an edited notebook has to have the same parts as before.
        return read_notebook(path, source, read_part)
    if kind is FileKind.DOCKERFILE:
        from vllm_migrate.files.dockerfile import read_dockerfile  # noqa: PLC0415 - loaded for the kinds a tree has

        return read_dockerfile(path, source, read_part)
    reached = index.reached(path) if kind in SETTINGS and index is not None else {}
    parted = (
        kind is FileKind.SHELL and b"<<" in source
    )  # an edited script has to have the same parts as before
    if not reached and not parted and not may_matter(kind, source):
        from vllm_migrate.files.file_facts import FileFacts  # noqa: PLC0415 - same

        return FileFacts(path, kind, source)
    if kind is FileKind.MARKDOWN:
        from vllm_migrate.files.markdown import read_markdown  # noqa: PLC0415 - loaded for the kinds a tree has

        return read_markdown(path, source, read_part)
    if kind is FileKind.SHELL:
        from vllm_migrate.files.shell import read_shell  # noqa: PLC0415 - loaded for the kinds a tree has

        return read_shell(path, source, None if inside else read_part)
    if kind is FileKind.YAML:
        from vllm_migrate.files.yaml import read_yaml  # noqa: PLC0415 - loaded for the kinds a tree has

        return read_yaml(path, source, reached)
    if kind is FileKind.TOML:
        from vllm_migrate.files.toml import read_toml  # noqa: PLC0415 - loaded for the kinds a tree has

        return read_toml(path, source, reached)
    if kind is FileKind.SETUP_CFG:
        from vllm_migrate.files.setup_cfg import read_setup_cfg as read  # noqa: PLC0415 - loaded for the kinds a tree has
    else:
        from vllm_migrate.files.requirements import read_requirements as read  # noqa: PLC0415 - loaded for the kinds a tree has
    return read(path, source)
