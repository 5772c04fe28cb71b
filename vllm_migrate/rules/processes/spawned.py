"""Whether V1 spawns the engine's process or forks it, as far as a file shows.

vLLM forks unless something makes it spawn (`_maybe_force_spawn` in vllm/utils/system_utils.py, alike from 0.8
to 0.32): `VLLM_WORKER_MULTIPROC_METHOD=spawn`, CUDA or XPU that is in use before, a Ray actor, WSL.
The builds for CPUs and XPUs always spawn (vllm/platforms/cpu.py, xpu.py).
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from vllm_migrate.files.kinds import FileKind
from vllm_migrate.resolve.syntax import last_name
from vllm_migrate.rules.module import parsed_module

if TYPE_CHECKING:
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Call
    from vllm_migrate.rules.base import Context
    from vllm_migrate.rules.module import Module

_METHOD = "VLLM_WORKER_MULTIPROC_METHOD"
_SET = re.compile(rb"VLLM_WORKER_MULTIPROC_METHOD[\"'\])\s:=,]{1,8}[\"']?spawn\b")
_INITIALISES = frozenset(
    {
        *("init", "set_device", "current_device", "get_device_name", "get_device_properties"),
        *("get_device_capability", "mem_get_info", "synchronize", "is_bf16_supported"),
    }
)
"""What of `torch.cuda` initialises it; `is_available`, `device_count` and `manual_seed_all` don't."""
_DEVICE = re.compile(r"cuda(?::\d+)?")


def why_spawned(file: FileFacts, call: Call, context: Context) -> str:
    """What makes vLLM spawn the process of an engine that is built on import; "" where nothing is seen."""
    if any(v.name == _METHOD and v.value.literal == "spawn" for v in file.variables):
        return f"{_METHOD} is spawn"
    setter = _set_for(file, context)
    if setter:
        return f"{setter} sets {_METHOD} to spawn"
    module, _ = parsed_module(file.path, file.source)
    line = file.source.count(b"\n", 0, call.span.start) + 1
    run = _called_before(module, line)
    for node in module.all(ast.Call):
        if not _uses_cuda(node, module) or not _is_certain(node, module, line):
            continue
        scope = module.scope(node)
        if node.lineno < line if scope is module.tree else getattr(scope, "name", "") in run:
            return f"line {node.lineno} uses CUDA before"
    return ""


def _set_for(file: FileFacts, context: Context) -> str:
    """The other file that sets the variable for this one, "" where none is seen to.

    A script does so for the files that it names, a module for those that import it or that it imports, and
    the settings of an image or a job for the whole project.
    """
    mine = file.path.stem.encode()
    for path, kind, source in context.mentions.files_with(_METHOD.encode()) if context.mentions else ():
        if path == file.path or not _SET.search(source):
            continue
        if kind is FileKind.PYTHON:
            concerned = _names(source, mine) or _names(file.source, path.stem.encode())
        else:
            concerned = kind is not FileKind.SHELL or _names(source, mine)
        if concerned:
            return str(path)
    return ""


def _names(source: bytes, word: bytes) -> bool:
    return re.search(rb"\b%s\b" % re.escape(word), source) is not None


def _is_certain(node: ast.Call, module: Module, line: int) -> bool:
    """Whether no branch stands around a call but those that ask for CUDA, or hold the line of the engine."""
    inner: ast.AST = node
    for above in module.around(node):
        if isinstance(above, (ast.If, ast.ExceptHandler)) and not (
            above.lineno <= line <= (above.end_lineno or line)
        ):
            asks = isinstance(above, ast.If) and (inner is above.test or "cuda" in ast.unparse(above.test))
            if not asks:
                return False
        inner = above
    return True


def _called_before(module: Module, line: int) -> set[str]:
    """The names of functions that are called at module level above a line."""
    return {
        node.func.id
        for node in module.all(ast.Call)
        if isinstance(node.func, ast.Name) and node.lineno < line and module.scope(node) is module.tree
    }


def _uses_cuda(call: ast.Call, module: Module) -> bool:
    """Whether a call initialises CUDA: it asks `torch.cuda` for a device, or puts something on one."""
    func = call.func
    name = last_name(func)
    holder = ast.unparse(func.value) if isinstance(func, ast.Attribute) else ""
    if name == "cuda" or (holder == "torch.cuda" and name in _INITIALISES):
        return True
    places = ["device_map"]
    if name == "pipeline" or (holder == "torch" and name != "device"):  # `torch.device("cuda")` is but a name
        places.append("device")
    if any(k.arg == "device_map" and _is_computed(k.value, module) for k in call.keywords):
        return True
    given = [k.value for k in call.keywords if k.arg in places or (name == "to" and k.arg == "device")]
    given += call.args if name == "to" else []
    return any(_is_device(value, module) for value in given)


def _is_computed(value: ast.expr, module: Module) -> bool:
    """Whether a device map is what a function gives: layers by GPU, which nobody works out for a CPU."""
    named = module.value(value) if isinstance(value, ast.Name) else value
    return isinstance(named, ast.Call)


def _is_device(value: ast.expr, module: Module) -> bool:
    """Whether a value is "cuda", "cuda:0", "auto" of a device map, or a name for one of them."""
    if isinstance(value, ast.Name):
        named = module.value(value)
        return named is not None and any(_is_literal(node) for node in ast.walk(named))
    return any(_is_literal(node) for node in ast.walk(value))


def _is_literal(node: ast.AST) -> bool:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return False
    return node.value == "auto" or _DEVICE.fullmatch(node.value) is not None
