"""Setting an environment variable that vLLM reads, in the file that builds the engine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import InsertStatement
from vllm_migrate.rules.engines import ENGINE_CALLS

if TYPE_CHECKING:
    from vllm_migrate.edits.model import Edit
    from vllm_migrate.files.file_facts import FileFacts


def switch(file: FileFacts, name: str, value: str, why: str) -> Edit | None:
    """The statement that sets a variable, unless it is set, before vLLM is imported.

    None where the file builds no engine. At the top level it stands apart from the imports around it.
    """
    if not any(call.target in ENGINE_CALLS and not call.dead for call in file.calls):
        return None
    first = next((i.statement for i in file.imports if i.module.startswith("vllm") and not i.dead), None)
    if first is None:
        return None
    code = f'os.environ.setdefault("{name}", "{value}")  # {why}'
    before = file.source[: first.start]
    if not re.search(rb"(?m)^(?:\xef\xbb\xbf)?import os[ \t]*(#.*)?\r?$", before):
        code = f"import os\n\n{code}"
    elif before.endswith((b"\n", b"\r")):
        code = f"\n{code}"
    top = before.endswith((b"\n", b"\r")) or not before or before == b"\xef\xbb\xbf"
    return InsertStatement(first, f"{code}\n\n" if top else code, before=True)
