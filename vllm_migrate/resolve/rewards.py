"""Which reward a repository trains with: read from its code and its configurations, nothing of it run.

Three things say so, and the first that does decides: what a trainer is given (`reward_funcs` of TRL's
trainers) or verl's configuration names (`custom_reward_function`, in YAML or as an override in a script);
verl's own score where one of its reward managers stands in a configuration without a function; and functions
that have the signature of a reward.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vllm_migrate.config import Config
from vllm_migrate.errors import InputError
from vllm_migrate.files.discover import discover
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.yaml_tree import read_yaml_tree
from vllm_migrate.resolve.reward_code import Modules, RewardName, defined_rewards, trainer_rewards

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from vllm_migrate.files.yaml_tree import YamlNode

_VERL = "custom_reward_function"
_MANAGER = "reward_manager"
_OWN_MANAGERS = ("naive", "batch", "prime", "dapo")
_OWN_SCORE = ("verl.utils.reward_score", "default_compute_score")
_OVERRIDE = re.compile(r"custom_reward_function\.(path|name)=[\"']?([^\s\"'\\]+)")
_WORTH = re.compile(
    rb"reward_func|GRPOTrainer|RLOOTrainer|completions|solution_str|def \w*reward", re.IGNORECASE
)
_TESTS = ("test", "tests", "testing")


@dataclass(frozen=True, slots=True)
class RewardUse:
    """What one trainer or one configuration earns its rewards with.

    Attributes:
        where: "train.py:36", for people.
        names: the functions, in order, with their weights.
        unknown: what it is given besides and can't be named: "a function made while it runs".
    """

    where: str
    names: tuple[RewardName, ...]
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundRewards:
    """Everything that a tree says.

    Attributes:
        uses: by trainers and configurations, each combination once.
        defined: functions with the signature of a reward, whether used or not.
        unread: files that could not be read, with the reason.
    """

    uses: tuple[RewardUse, ...]
    defined: tuple[RewardName, ...]
    unread: tuple[str, ...] = ()

    @property
    def only(self) -> tuple[RewardName, ...]:
        """The functions of the only reward there is; nothing where there is none, or a choice."""
        if self.uses:
            one = self.uses[0]
            return one.names if len(self.uses) == 1 and not one.unknown else ()
        return self.defined if len(self.defined) == 1 else ()


def find_rewards(folder: Path) -> FoundRewards:
    """The rewards of a tree, or of a single file.

    Raises:
        InputError: there is no such folder.
    """
    found = discover([folder], Config())
    sources = {file.path: file.kind for file in found.files}
    modules = Modules(folder if folder.is_dir() else folder.parent, sources)
    uses: list[RewardUse] = []
    defined: list[RewardName] = []
    unread: list[str] = []
    for path, kind in sources.items():
        try:
            of_file = _uses(path, kind, modules, defined)
        except (InputError, OSError) as error:  # noqa: PERF203 - one file that can't be read is no end
            unread.append(f"{modules.shown(path)}: {error}")
        else:
            uses += of_file
    return FoundRewards(_once(uses), tuple(defined), tuple(unread))


def _uses(path: Path, kind: FileKind, modules: Modules, defined: list[RewardName]) -> list[RewardUse]:
    """What a file uses as rewards; what it defines is added to `defined`."""
    if kind not in (FileKind.PYTHON, FileKind.YAML, FileKind.SHELL):
        return []
    source = path.read_bytes()
    if kind is FileKind.PYTHON and _WORTH.search(source):
        if not _is_test(path.relative_to(modules.root)):
            defined += defined_rewards(modules, path)
        return [
            RewardUse(f"{modules.shown(path)}:{line}", names, unknown)
            for line, names, unknown in trainer_rewards(modules, path)
        ]
    if kind is FileKind.YAML and (_VERL.encode() in source or _MANAGER.encode() in source):
        return list(_of_yaml(source, path, modules))
    if kind is FileKind.SHELL and _VERL.encode() in source:
        return list(_of_shell(source.decode("utf-8", "replace"), path, modules))
    return []


def _is_test(path: Path) -> bool:
    return path.name.startswith("test_") or any(part in _TESTS for part in path.parts[:-1])


def _once(uses: Sequence[RewardUse]) -> tuple[RewardUse, ...]:
    """Each combination where it stands first; verl's own score only where nothing else is used."""
    kept: dict[tuple[object, ...], RewardUse] = {}
    chosen = [use for use in uses if [name.module for name in use.names] != [_OWN_SCORE[0]]]
    for use in chosen or uses:
        kept.setdefault((*((name.target, name.weight) for name in use.names), use.unknown), use)
    return tuple(kept.values())


def _of_yaml(source: bytes, path: Path, modules: Modules) -> Iterator[RewardUse]:
    tree, any_function = read_yaml_tree(source), False
    for node in _settings(tree, _VERL):
        given = {key: below.value for key, below in node.keys.items()}
        where = f"{modules.shown(path)}:{node.line}"
        use = _of_verl(given.get("path"), given.get("name"), where, path, modules)
        if use is not None:
            any_function = True
            yield use
    for node in _settings(tree, _MANAGER):
        where = f"{modules.shown(path)}:{node.line}"
        name = (
            node.value
            if isinstance(node.value, str)
            else node.keys["name"].value
            if "name" in node.keys
            else ""
        )
        if name in _OWN_MANAGERS and not any_function:
            yield RewardUse(where, (RewardName(None, *_OWN_SCORE, style="verl"),))
        elif isinstance(name, str) and name and name not in _OWN_MANAGERS:
            yield RewardUse(where, (), (f"the reward manager {name}, which is a class",))


def _settings(node: YamlNode, wanted: str) -> Iterator[YamlNode]:
    for key, below in node.keys.items():
        if key == wanted:
            yield below
        yield from _settings(below, wanted)
    for item in node.items:
        yield from _settings(item, wanted)


def _of_shell(text: str, path: Path, modules: Modules) -> Iterator[RewardUse]:
    given = dict(_OVERRIDE.findall(text))
    first = _OVERRIDE.search(text)
    if first is not None:
        line = text.count("\n", 0, first.start()) + 1
        use = _of_verl(given.get("path"), given.get("name"), f"{modules.shown(path)}:{line}", path, modules)
        if use is not None:
            yield use


def _of_verl(file: object, name: object, where: str, beside: Path, modules: Modules) -> RewardUse | None:
    """Verl's reward: `path` is as seen from where training is started, `name` is compute_score by default.

    None where no path is set, as in verl's own defaults.
    """
    if file is None or file in {"", "null"}:
        return None
    if not isinstance(file, str) or not (name is None or isinstance(name, str)) or "$" in file:
        return RewardUse(where, (), ("a path that is known only when it runs",))
    for base in (modules.root, beside.parent, *beside.parents):
        target = base / file
        if target.is_file():
            return RewardUse(where, (RewardName(target.resolve(), "", name or "compute_score"),))
        if base == modules.root.parent:
            break
    return RewardUse(where, (), (f"{file}, which is not there",))
