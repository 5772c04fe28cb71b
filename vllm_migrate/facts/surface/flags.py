"""What a user sets from outside the code: environment variables and `vllm serve` flags, read statically."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_READ = re.compile(
    rb"""(?:environ(?:\.get|\.setdefault|\.pop)?\s*[\[(]|getenv\()\s*["'](VLLM_[A-Z0-9_]+)["']"""
    rb"""|["'](VLLM_[A-Z0-9_]+)["']\s+(?:not\s+)?in\s+os\.environ"""
)


def declared_variables(source: bytes) -> dict[str, str]:
    """The variables `vllm/envs.py` declares, with the default written beside their type ("" for none)."""
    tree = ast.parse(source)
    defaults = {
        node.target.id: ast.unparse(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None
    }
    found: dict[str, str] = {}
    for node in tree.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if ast.unparse(target) == "environment_variables" and isinstance(node.value, ast.Dict):
            for key in node.value.keys:
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    found[key.value] = defaults.get(key.value, "")
    return found


def variables_read(source: bytes) -> Iterator[str]:
    """VLLM_ variables a module reads from the environment by itself."""
    for match in _READ.finditer(source):
        yield (match[1] or match[2]).decode()


def boolean_fields(trees: Iterable[ast.Module]) -> frozenset[tuple[str, str]]:
    """(class, field) of every annotated field that becomes an on/off flag with a `--no-` twin.

    A field of type bool does, also an optional one; `bool | str | None` is a flag with an optional value.
    """
    found = set()
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                for line in node.body:
                    if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                        words = set(re.findall(r"\w+", ast.unparse(line.annotation)))
                        if "bool" in words and "str" not in words:
                            found.add((node.name, line.target.id))
    return frozenset(found)


def flags_of(
    tree: ast.Module,
    booleans: frozenset[tuple[str, str]],
    *,
    looped: Iterable[str] = (),
    parser: str = "",
) -> dict[str, str]:
    """Flags a module adds to a parser, with the name of the argument each one sets.

    Args:
        tree: the module.
        booleans: from `boolean_fields`.
        looped: the fields behind an `add_argument` in a loop over the fields of a class.
        parser: only calls on the variable of this name ("" takes all).
    """
    found: dict[str, str] = {}
    switches = {name for _, name in booleans}
    for function in _functions(tree):
        configs = _config_of_kwargs(function)
        for call in _calls(function):
            if parser and ast.unparse(call.func) != f"{parser}.add_argument":
                continue
            names = [
                a.value
                for a in call.args
                if isinstance(a, ast.Constant) and isinstance(a.value, str) and a.value.startswith("-")
            ]
            if names:
                found.update(_one_flag(names, call, configs, booleans))
            elif any(isinstance(a, ast.JoinedStr) for a in call.args):
                for name in looped:
                    flag = f"--{name.replace('_', '-')}"
                    found[flag] = name
                    if name in switches:
                        found[f"--no-{flag[2:]}"] = name
    return found


def _one_flag(
    names: list[str],
    call: ast.Call,
    configs: Mapping[str, str],
    booleans: frozenset[tuple[str, str]],
) -> Iterator[tuple[str, str]]:
    keywords = {k.arg: k.value for k in call.keywords if k.arg}
    long = [name for name in names if name.startswith("--")]
    destination = (long or names)[0].lstrip("-").replace("-", "_")
    if isinstance(given := keywords.get("dest"), ast.Constant):
        destination = str(given.value)
    both = "BooleanOptionalAction" in ast.unparse(keywords["action"]) if "action" in keywords else False
    for spread in (k.value for k in call.keywords if k.arg is None):
        # `**model_kwargs["seed"]`, or `**{**cache_kwargs["enable_prefix_caching"], "default": None}`
        for node in ast.walk(spread):
            if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
                config = configs.get(ast.unparse(node.value), "")
                both = both or ("action" not in keywords and (config, node.slice.value) in booleans)
    for name in names:
        yield name.replace("_", "-"), destination
        if both and name.startswith("--"):
            yield f"--no-{name[2:].replace('_', '-')}", destination


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node
        elif isinstance(node, ast.ClassDef):
            yield from (inner for inner in node.body if isinstance(inner, ast.FunctionDef))


def _calls(function: ast.FunctionDef) -> Iterator[ast.Call]:
    for node in ast.walk(function):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "add_argument"
        ):
            yield node


def _config_of_kwargs(function: ast.FunctionDef) -> dict[str, str]:
    """`model_kwargs = get_kwargs(ModelConfig)`: the class behind each variable."""
    found = {}
    for node in ast.walk(function):
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Call)
            and ast.unparse(node.value.func) == "get_kwargs"
            and node.value.args
        ):
            found[node.targets[0].id] = ast.unparse(node.value.args[0])
    return found
