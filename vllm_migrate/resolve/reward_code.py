"""Rewards in Python code: what a trainer is given as `reward_funcs`, and functions that look like rewards."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from vllm_migrate.errors import InputError
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.python import parse_python
from vllm_migrate.resolve.syntax import last_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_KEYWORD = "reward_funcs"
_WEIGHTS = "reward_weights"
_TRAINERS = ("GRPOTrainer", "RLOOTrainer")  # take them as their second argument, too
_SECOND = 2
_HOPS = 6  # re-exports are rarely deeper than three
_MADE = "a function made while it runs"
_ONE_TEXT = {"completion", "response", "text", "output", "generation", "generated_text", "prediction"}
_PROMPT = {"prompt", "question", "query", "problem"}
_Function = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class RewardName:
    """A reward function by its place.

    Attributes:
        file: None where it is of an installed package, `module` "" where it is of a file.
        name: of the function.
        line: of its definition, 0 where it is not known.
        style: "TRL", "verl" or "per text" by its signature, "" where that is not known.
        weight: in the sum.
    """

    file: Path | None
    module: str
    name: str
    line: int = 0
    style: str = ""
    weight: float = 1.0

    @property
    def target(self) -> str:
        """As it is named on the command line, without its weight."""
        return f"{self.file or self.module}:{self.name}"


class Modules:
    """The Python files of a tree, parsed when asked for.

    Args:
        root: the tree; imports are looked for in it.
        kinds: its files.
    """

    def __init__(self, root: Path, kinds: Mapping[Path, FileKind]) -> None:
        self.root = root.absolute()
        self._files = frozenset(path for path, kind in kinds.items() if kind is FileKind.PYTHON)
        self._parsed: dict[Path, ast.Module] = {}

    def shown(self, path: Path) -> str:
        """A path from the tree's root."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)

    def tree(self, path: Path) -> ast.Module:
        """A file's syntax tree.

        Raises:
            InputError: it is no Python.
            OSError: it can't be read.
        """
        if path not in self._parsed:
            shown = PurePosixPath(self.shown(path))
            self._parsed[path] = parse_python(shown, path.read_bytes()).module
        return self._parsed[path]

    def file_of(self, module: str, level: int, beside: Path) -> Path | None:
        """The file of a module that a file imports, None where the tree has none."""
        parts = module.split(".") if module else []
        if level:
            return self._at(beside.parents[level - 1].joinpath(*parts))
        for base in beside.parents:
            found = self._at(base.joinpath(*parts)) or self._at(base.joinpath("src", *parts))
            if found is not None:
                return found
            if base == self.root:
                break
        return None

    def _at(self, place: Path) -> Path | None:
        plain, package = place.with_name(f"{place.name}.py"), place / "__init__.py"
        return plain if plain in self._files else package if package in self._files else None


def trainer_rewards(
    modules: Modules, path: Path
) -> Iterator[tuple[int, tuple[RewardName, ...], tuple[str, ...]]]:
    """For each trainer that a file makes: its line, its rewards, and what of them can't be named.

    Raises:
        InputError: the file is no Python.
    """
    tree = modules.tree(path)
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        given = _rewards_of(call)
        if given is None:
            continue
        names: list[RewardName] = []
        unknown: list[str] = []
        for node in _members(given, tree):
            found = _named(node, modules, path)
            if isinstance(found, RewardName):
                names.append(found)
            else:
                unknown.append(found)
        if names or unknown != [_PARAMETER]:
            yield call.lineno, _weighted(names, tree) if not unknown else tuple(names), tuple(unknown)


_PARAMETER = "a parameter"


def _rewards_of(call: ast.Call) -> ast.expr | None:
    for keyword in call.keywords:
        if keyword.arg == _KEYWORD:
            return keyword.value
    last = last_name(call.func)
    return call.args[1] if last in _TRAINERS and len(call.args) >= _SECOND else None


def _members(node: ast.expr, tree: ast.Module) -> list[ast.expr]:
    """The single rewards of a list, which may stand in a variable of the same file."""
    if isinstance(node, ast.Name):
        values = [
            statement.value
            for statement in ast.walk(tree)
            if isinstance(statement, ast.Assign | ast.AnnAssign)
            and statement.value is not None
            and any(isinstance(target, ast.Name) and target.id == node.id for target in _targets(statement))
        ]
        grown = any(
            isinstance(one, ast.Call)
            and isinstance(one.func, ast.Attribute)
            and one.func.attr in {"append", "extend", "insert"}
            and isinstance(one.func.value, ast.Name)
            and one.func.value.id == node.id
            for one in ast.walk(tree)
        )
        if len(values) == 1 and not grown and not isinstance(values[0], ast.Name):
            return _members(values[0], tree)
        return [node]
    return list(node.elts) if isinstance(node, ast.List | ast.Tuple) else [node]


def _targets(statement: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return statement.targets if isinstance(statement, ast.Assign) else [statement.target]


def _named(node: ast.expr, modules: Modules, path: Path) -> RewardName | str:
    """A reward by its place, or what it is in words."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return f"the model {node.value}"
    if isinstance(node, ast.Name):
        return _found(node.id, modules, path, _HOPS) or _variable(node.id, modules.tree(path))
    dotted = _dotted(node)
    if dotted:
        owner, _, name = dotted.rpartition(".")
        return _of_module(owner, name, modules, path) or _MADE
    return _MADE


def _variable(name: str, tree: ast.Module) -> str:
    """What a name is that no function has: a parameter of a wrapper is nobody's choice yet."""
    parameters = {
        argument.arg
        for function in ast.walk(tree)
        if isinstance(function, _Function)
        for argument in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
    }
    return _PARAMETER if name in parameters else _MADE


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value)
        return f"{owner}.{node.attr}" if owner else ""
    return ""


def _found(name: str, modules: Modules, path: Path, hops: int) -> RewardName | None:
    """A name of a file: a function defined in it, or imported from somewhere."""
    tree = modules.tree(path)
    for statement in tree.body:
        if isinstance(statement, _Function) and statement.name == name:
            return RewardName(path, "", name, statement.lineno, _style_of(statement))
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or hops == 0:
            continue
        for alias in node.names:
            if (alias.asname or alias.name) == name:
                return _imported(node, alias.name, modules, path, hops - 1)
    return None


def _imported(
    statement: ast.ImportFrom, name: str, modules: Modules, path: Path, hops: int
) -> RewardName | None:
    file = modules.file_of(statement.module or "", statement.level, path)
    if file is not None:
        try:
            return _found(name, modules, file, hops)
        except InputError:
            return None
    if statement.level:
        return None
    return RewardName(None, statement.module or "", name)


def _of_module(owner: str, name: str, modules: Modules, path: Path) -> RewardName | None:
    """`module.function`, where the module is imported."""
    for statement in ast.walk(modules.tree(path)):
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                if (alias.asname or alias.name) == owner:
                    file = modules.file_of(alias.name, 0, path)
                    return _found(name, modules, file, _HOPS) if file else RewardName(None, alias.name, name)
        elif isinstance(statement, ast.ImportFrom):
            for alias in statement.names:
                if (alias.asname or alias.name) == owner:
                    module = ".".join(part for part in (statement.module or "", alias.name) if part)
                    file = modules.file_of(module, statement.level, path)
                    if file is not None:
                        return _found(name, modules, file, _HOPS)
                    return None if statement.level else RewardName(None, module, name)
    return None


def _weighted(names: list[RewardName], tree: ast.Module) -> tuple[RewardName, ...]:
    """With the weights of the file's only `reward_weights`, where they are written out."""
    written = [
        keyword.value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for keyword in call.keywords
        if keyword.arg == _WEIGHTS
    ]
    if len(written) != 1:
        return tuple(names)
    try:
        weights = ast.literal_eval(written[0])
    except ValueError:
        return tuple(names)
    if not isinstance(weights, list | tuple) or len(weights) != len(names):
        return tuple(names)
    if not all(isinstance(weight, int | float) for weight in weights):
        return tuple(names)
    return tuple(replace(name, weight=float(at)) for name, at in zip(names, weights, strict=True))


def defined_rewards(modules: Modules, path: Path) -> list[RewardName]:
    """Functions of a file, not those inside others, that have the signature of a reward and return something.

    Raises:
        InputError: the file is no Python.
    """
    return [
        RewardName(path, "", statement.name, statement.lineno, _style_of(statement))
        for statement in modules.tree(path).body
        if isinstance(statement, _Function)
        and not statement.name.startswith("_")
        and _style_of(statement)
        and _returns(statement)
    ]


def _style_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """By the names of the parameters: "TRL", "verl" or "per text", "" for what looks like no reward."""
    given = function.args
    listed = [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    names, is_named = set(listed), "reward" in function.name.lower()
    if "completions" in names and ("prompts" in names or given.kwarg is not None or is_named):
        return "TRL"
    if {"solution_str", "ground_truth"} <= names:
        return "verl"
    return (
        "per text" if is_named and listed and listed[0] in _ONE_TEXT | _PROMPT and names & _ONE_TEXT else ""
    )


def _returns(function: ast.AST) -> bool:
    """Whether a function gives something back; what is defined inside it does not count."""
    stack = list(ast.iter_child_nodes(function))
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Return) and node.value is not None:
            return True
        if not isinstance(node, (*_Function, ast.Lambda)):
            stack.extend(ast.iter_child_nodes(node))
    return False
