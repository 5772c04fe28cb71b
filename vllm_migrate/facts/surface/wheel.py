"""Reads a whole wheel: every module's names and shapes, the environment variables and the server's flags."""

from __future__ import annotations

import ast
import hashlib
import re
import zipfile
from typing import TYPE_CHECKING

from vllm_migrate.errors import InputError
from vllm_migrate.facts.surface.flags import boolean_fields, declared_variables, flags_of, variables_read
from vllm_migrate.facts.surface.model import FLAGS, UNSEEN, VARIABLES, Document, Release
from vllm_migrate.facts.surface.source import Module, read_module

if TYPE_CHECKING:
    from pathlib import Path

_SKIPPED = re.compile(r"/(tests|test_data)/")
_OPAQUE = re.compile(r"^(vllm/(third_party|vllm_flash_attn)/|.*_pb2(_grpc)?\.py$)")
"""Vendored, or different between the wheels for CPU and GPU, or generated: present, but not judged."""

_NAMES_ONLY = re.compile(r"^vllm/(model_executor/models|models|benchmarks)/")
"""Model implementations and benchmarks: nobody is moved from their internals."""

_COMPILED = re.compile(r"^(?P<module>.+?)(\.abi3|\.cpython-\w+(-\w+)*)?\.(so|pyd)$")

_SERVER_FILES = (
    ("vllm/entrypoints/common/cli_args.py", ""),
    ("vllm/entrypoints/launchers/cli_args.py", ""),
    ("vllm/entrypoints/openai/cli_args.py", ""),
    ("vllm/entrypoints/cli/serve.py", "serve_parser"),
    ("vllm/scripts.py", "serve_parser"),
    ("vllm/engine/arg_utils.py", ""),
)
"""Where `vllm serve` defined its flags over the releases; the parser's variable where a file has several."""


def read_wheel(path: Path, package: str, version: str) -> Document:
    """The API surface of one wheel, without importing or unpacking it.

    Raises:
        InputError: where the file is no wheel, or not one of this package.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [
                n for n in archive.namelist() if n.startswith(f"{package}/") and not _SKIPPED.search(n)
            ]
            sources = {n: archive.read(n) for n in members if n.endswith(".py")}
    except (OSError, zipfile.BadZipFile) as problem:
        raise InputError(f"{path.name} is no readable wheel: {problem}") from None
    if f"{package}/__init__.py" not in sources:
        raise InputError(f"{path.name} holds no package {package}")
    modules, unparsed = _modules(sources)
    for compiled in (_COMPILED.match(n) for n in members):
        if compiled:
            modules.setdefault(compiled["module"].replace("/", "."), Module()).names[UNSEEN] = "x"
    _resolve_stars(modules)
    _add_namespaces(modules)
    release = Release(
        version=version,
        distribution=path.name.partition("-")[0].replace("_", "-"),
        wheel=path.name,
        sha256=_digest(path),
        unparsed=tuple(unparsed),
    )
    document = Document(
        release,
        names={name: module.names for name, module in modules.items()},
        shapes={name: module.shapes for name, module in modules.items() if module.shapes},
    )
    if package == "vllm":
        document.names[VARIABLES] = _variables(sources)
        document.names[FLAGS] = _flags(sources, modules)
    return document


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _modules(sources: dict[str, bytes]) -> tuple[dict[str, Module], list[str]]:
    modules: dict[str, Module] = {}
    unparsed = []
    for path, source in sources.items():
        is_package = path.endswith("/__init__.py")
        name = path.removesuffix("/__init__.py" if is_package else ".py").replace("/", ".")
        if _OPAQUE.match(path):
            modules[name] = Module(names={UNSEEN: "x"})
            continue
        try:
            modules[name] = read_module(
                source, name, is_package=is_package, with_shapes=not _NAMES_ONLY.match(path)
            )
        except (SyntaxError, ValueError):
            modules[name] = Module(names={UNSEEN: "x"})
            unparsed.append(name)
    return modules, sorted(unparsed)


def _resolve_stars(modules: dict[str, Module]) -> None:
    """Give every `from x import *` the names of x, until nothing more comes in."""
    changed = True
    while changed:
        changed = False
        for module in modules.values():
            for star in module.stars:
                source = modules.get(star)
                if source is None:
                    module.names[UNSEEN] = "x"
                    continue
                taken = source.exported
                if taken is None:
                    taken = [name for name in source.names if not name.startswith("_")]
                for name in taken:
                    if name not in module.names and name in source.names:
                        mark = "!" if name in (module.exported or ()) else ""
                        module.names[name] = f"{star}:{name}{mark}"
                        changed = True


def _add_namespaces(modules: dict[str, Module]) -> None:
    """A directory without `__init__.py` is importable too."""
    for name in list(modules):
        while "." in name:
            name = name.rpartition(".")[0]  # noqa: PLW2901 - climbs to the root
            modules.setdefault(name, Module())


def _variables(sources: dict[str, bytes]) -> dict[str, str]:
    found = declared_variables(sources["vllm/envs.py"]) if "vllm/envs.py" in sources else {}
    for path, source in sources.items():
        if not _OPAQUE.match(path):
            for name in variables_read(source):
                found.setdefault(name, "")
    return dict(sorted(found.items()))


def _flags(sources: dict[str, bytes], modules: dict[str, Module]) -> dict[str, str]:
    configurations = [
        ast.parse(source)
        for path, source in sources.items()
        if path.startswith("vllm/config") or path in dict(_SERVER_FILES)
    ]
    booleans = boolean_fields(configurations)
    found = {"--help": "help", "-h": "help"}
    for path, parser in _SERVER_FILES:
        if path in sources:
            shapes = modules[path.removesuffix(".py").replace("/", ".")].shapes
            looped = [
                field.partition("=")[0]
                for name in ("BaseFrontendArgs", "FrontendArgs")
                for field in shapes.get(name, ["c", [], "", [], []])[3]
            ]
            found.update(flags_of(ast.parse(sources[path]), booleans, looped=looped, parser=parser))
    return dict(sorted(found.items()))
