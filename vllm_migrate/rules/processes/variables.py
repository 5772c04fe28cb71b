"""What the rules on environment variables share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.facts.model import Subject
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.rules.removal import remove_variable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Edit
    from vllm_migrate.facts.model import Fact, State
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Variable
    from vllm_migrate.rules.base import Context

_VARIABLE = re.compile(rb"\bvllm_\w+")
KINDS = (FileKind.PYTHON, FileKind.SHELL, FileKind.YAML, FileKind.TOML)


def changed_variables(file: FileFacts, context: Context) -> Iterator[tuple[Variable, Fact, State]]:
    """Variables the target reads no more, in code that may run."""
    for variable in () if is_for_another_engine(file) else file.variables:
        if not variable.dead:
            found = context.facts.on_target(Subject.VARIABLE, variable.name, context.target)
            if found is not None:
                yield variable, *found


def is_for_another_engine(file: FileFacts) -> bool:
    """Whether a script or settings file runs SGLang and has nothing of vLLM's but variables."""
    if file.kind is FileKind.PYTHON or b"VLLM_" not in file.source:
        return False
    source = file.source.lower()
    return b"sglang" in source and b"vllm" not in _VARIABLE.sub(b"", source)


def removal(file: FileFacts, variable: Variable) -> tuple[Edit, ...]:
    """The edit that takes a setting out; none for a read, whose result something else uses."""
    if variable.action not in ("set", "default", "unset"):
        return ()
    edit = remove_variable(file, variable)
    return (edit,) if edit else ()


def shown(variable: Variable) -> str:
    """`NAME=value` as far as it is written."""
    value = variable.value.literal if isinstance(variable.value.literal, str) else variable.value.source
    return f"{variable.name}={value}" if value and variable.action in ("set", "default") else variable.name
