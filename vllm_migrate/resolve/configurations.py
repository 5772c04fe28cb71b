"""Where the mapping behind `**` was loaded from: a YAML or TOML file, and the keys that lead to it.

`OmegaConf.load("conf/engine.yaml")`, `yaml.safe_load(open(...))` and functions under `@hydra.main` are
followed through names, attributes, keys, copies and the parameters of the file's own functions. A path counts
by its end, since what it is relative to is only known at run time.
"""

from __future__ import annotations

import ast
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from vllm_migrate.files.configurations import Configuration
from vllm_migrate.resolve.syntax import FUNCTIONS, last_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vllm_migrate.files.located import Call
    from vllm_migrate.files.positions import SourceText
    from vllm_migrate.resolve.syntax import Binding, Syntax

_OWNERS = {
    "vllm.LLM": "engine",
    "vllm.EngineArgs": "engine",
    "vllm.AsyncEngineArgs": "engine",
    "vllm.SamplingParams": "sampling",
}
_LOADERS = frozenset({"load", "loads", "safe_load", "full_load", "unsafe_load", "parse"})
_READ_WITH = (b"yaml", b"hydra", b"OmegaConf", b"toml")
_SAME = frozenset({"to_container", "to_object", "dict", "create", "deepcopy", "copy", "merge", "instantiate"})
_OPENERS = frozenset(
    {"open", "read_text", "read_bytes", "open_text", "resolve", "absolute", "expanduser", "read"}
)
_WHOLE_PATHS = frozenset({"Path", "str", "fspath", "abspath", "realpath", "PurePath"})
_DEEPEST = 12
_Place = tuple[tuple[str, ...], tuple[str, ...]]
"""The end of a file's path without its suffix, and the keys below."""


class ConfigurationReader:
    """Answers for one file."""

    def __init__(self, syntax: Syntax, text: SourceText) -> None:
        self._syntax = syntax
        self._text = text

    def read(self, nodes: Iterable[ast.Call], calls: Iterable[Call]) -> tuple[Configuration, ...]:
        """The places whose entries reach a constructor of vLLM's, by `**` in one of the calls at `nodes`."""
        source = self._text.source
        if not any(word in source for word in _READ_WITH):
            return ()
        found: list[Configuration] = []
        for node, call in zip(nodes, calls, strict=True):
            owner = _OWNERS.get(call.target)
            if owner is None:
                continue
            for keyword in node.keywords:
                for parts, keys in self._places(keyword.value, 0) if keyword.arg is None else ():
                    found += [Configuration(parts, keys, owner), *self._groups(parts, keys, owner)]
        return tuple(dict.fromkeys(found))

    def _groups(self, parts: tuple[str, ...], keys: tuple[str, ...], owner: str) -> Iterator[Configuration]:
        """Hydra composes `generator: vllm` from the file `generator/vllm.yaml`."""
        if keys and b"hydra" in self._text.source:
            yield Configuration((*parts[:-1], keys[0], "*"), keys[1:], owner)

    def _places(self, node: ast.expr, depth: int) -> Iterator[_Place]:
        """Where an expression's value was loaded from."""
        if depth > _DEEPEST:
            return
        if isinstance(node, ast.Name):
            found = self._syntax.lookup(node.id, node)
            for binding in found[1] if found else ():
                yield from self._bound(binding, depth + 1)
        elif isinstance(node, ast.Attribute):
            class_ = self._syntax.self_attribute(node)
            bindings = self._syntax.attribute_bindings.get(class_, {}).get(node.attr, []) if class_ else []
            if bindings:
                for binding in bindings:
                    yield from self._bound(binding, depth + 1)
            else:
                yield from _below(self._places(node.value, depth + 1), node.attr)
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            yield from _below(self._places(node.value, depth + 1), str(node.slice.value))
        elif isinstance(node, ast.Call):
            yield from self._called(node, depth)
        elif isinstance(node, ast.BoolOp):
            for value in node.values:
                yield from self._places(value, depth + 1)

    def _called(self, node: ast.Call, depth: int) -> Iterator[_Place]:
        func = node.func
        name = last_name(func)
        first = node.args[0] if node.args else None
        if name == "get" and isinstance(func, ast.Attribute) and isinstance(first, ast.Constant):
            yield from _below(self._places(func.value, depth + 1), str(first.value))
        elif name in _LOADERS and first is not None:
            yield from (
                ((*parts[:-1], PurePosixPath(parts[-1]).stem), ())
                for parts in self._file(first, depth + 1)
                if parts[-1].endswith((".yaml", ".yml", ".toml"))
            )
        elif name == "compose" and (named := _string(_keyword(node, "config_name") or first)):
            yield (tuple(PurePosixPath(named).with_suffix("").parts), ())
        elif name in _SAME:
            for argument in node.args:
                yield from self._places(argument, depth + 1)
        elif isinstance(func, ast.Name):
            found = self._syntax.lookup(func.id, func)
            for binding in found[1] if found else ():
                if isinstance(binding.node, FUNCTIONS):
                    for returned in self._syntax.all(ast.Return):
                        if returned.value is not None and self._syntax.function(returned) is binding.node:
                            yield from self._places(returned.value, depth + 1)

    def _bound(self, binding: Binding, depth: int) -> Iterator[_Place]:
        if binding.kind == "value" and isinstance(binding.node, ast.expr) and not binding.path:
            yield from self._places(binding.node, depth)
        elif binding.kind == "parameter" and isinstance(binding.statement, FUNCTIONS):
            function = binding.statement
            parameters = [*function.args.posonlyargs, *function.args.args]
            hydra = _hydra_main(function)
            if hydra is not None and parameters and parameters[0] is binding.node:
                yield (hydra, ())
                return
            yield from self._passed(function, binding.node, depth)

    def _passed(self, function: ast.AST, parameter: ast.AST, depth: int) -> Iterator[_Place]:
        """What the file's own calls give a parameter of one of its functions or classes."""
        assert isinstance(function, FUNCTIONS)  # noqa: S101 (the caller has looked)
        parameters = [*function.args.posonlyargs, *function.args.args]
        class_ = self._syntax.parents.get(function)
        name = function.name
        if isinstance(class_, ast.ClassDef):
            parameters = parameters[1:]
            name = class_.name if name == "__init__" else name
        position = next((i for i, one in enumerate(parameters) if one is parameter), -1)
        for call in self._syntax.all(ast.Call):
            func = call.func
            called = last_name(func)
            if called == "remote" and isinstance(func, ast.Attribute):
                called = last_name(func.value)
            if called != name:
                continue
            given = _keyword(call, getattr(parameter, "arg", ""))
            if given is None and 0 <= position < len(call.args):
                given = call.args[position]
            if given is not None:
                yield from self._places(given, depth + 1)

    # Paths

    def _file(self, node: ast.expr, depth: int) -> Iterator[tuple[str, ...]]:
        """The last parts of the path of the file that an expression names, opens or has read."""
        if depth > _DEEPEST:
            return
        text = _string(node)
        if text:
            yield tuple(part for part in PurePosixPath(text).parts if part not in ("/", ".", ".."))
        elif isinstance(node, ast.JoinedStr) and node.values and (tail := _string(node.values[-1])):
            yield tuple(part for part in PurePosixPath(tail).parts if part != "/")
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            for last in self._file(node.right, depth + 1):
                before = list(self._file(node.left, depth + 1))
                yield (*(before[0] if before else ()), *last)
        elif isinstance(node, ast.Call):
            yield from self._named_by(node, depth)
        elif isinstance(node, ast.Name):
            found = self._syntax.lookup(node.id, node)
            for binding in found[1] if found else ():
                if binding.kind in ("value", "enter") and isinstance(binding.node, ast.expr):
                    yield from self._file(binding.node, depth + 1)
        elif isinstance(node, ast.Attribute) and node.attr != "parent":
            yield from self._default_path(node)

    def _named_by(self, node: ast.Call, depth: int) -> Iterator[tuple[str, ...]]:
        func = node.func
        name = last_name(func)
        if name == "join" and node.args:
            parts = [next(iter(self._file(a, depth + 1)), None) for a in node.args]
            known = [part for part in parts if part]
            if parts[-1]:
                yield tuple(each for part in known for each in part)
        elif name in ("open", *_WHOLE_PATHS) and node.args and not _is_method(func):
            yield from self._file(node.args[0], depth + 1)
        elif name in _OPENERS and isinstance(func, ast.Attribute):
            yield from self._file(func.value, depth + 1)

    def _default_path(self, node: ast.Attribute) -> Iterator[tuple[str, ...]]:
        """`args.config`, where an option of the file's own parser has a path as its default."""
        for call in self._syntax.all(ast.Call):
            if getattr(call.func, "attr", "") == "add_argument" and option_name(call) == node.attr:
                default = _string(_keyword(call, "default"))
                if default:
                    yield tuple(part for part in PurePosixPath(default).parts if part not in ("/", ".", ".."))


def option_name(call: ast.Call) -> str:
    """The attribute that an option of argparse's is read by: `--swap-space` by `swap_space`."""
    dest = _string(_keyword(call, "dest"))
    named = [text for text in map(_string, call.args) if text]
    long = next((text for text in named if text.startswith("--")), named[0] if named else "")
    return dest or long.lstrip("-").replace("-", "_")


def _below(places: Iterable[_Place], key: str) -> Iterator[_Place]:
    for parts, keys in places:
        yield parts, (*keys, key)


def _hydra_main(function: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[str, ...] | None:
    """The configuration that `@hydra.main(...)` hands to a function."""
    for decorator in function.decorator_list:
        func = decorator.func if isinstance(decorator, ast.Call) else None
        if isinstance(decorator, ast.Call) and isinstance(func, ast.Attribute) and func.attr == "main":
            name = _string(_keyword(decorator, "config_name"))
            folder = _string(_keyword(decorator, "config_path") or next(iter(decorator.args), None))
            if name and getattr(func.value, "id", "") == "hydra":
                parts = [part for part in PurePosixPath(folder).parts if part not in ("/", ".", "..")]
                return (*parts, *PurePosixPath(name).with_suffix("").parts)
    return None


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def _string(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _is_method(func: ast.expr) -> bool:
    """Whether a call to `open` is one on a path: `path.open()`; `io.open(path)` isn't."""
    return isinstance(func, ast.Attribute) and getattr(func.value, "id", "") not in (
        "io",
        "codecs",
        "pathlib",
        "os",
    )
