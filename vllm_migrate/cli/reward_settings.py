"""How the options of `reward` meet the configuration file: command line before file before default."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vllm_migrate.config import load_config
from vllm_migrate.errors import UsageError
from vllm_migrate.reward.limits import limits_with

if TYPE_CHECKING:
    from vllm_migrate.resolve.reward_code import RewardName
    from vllm_migrate.reward.outcome import Limits
    from vllm_migrate.reward.settings import RewardSettings


_MOST_LISTED = 12


@dataclass(frozen=True, slots=True)
class Given:
    """What an examination is told, from wherever.

    Attributes:
        rewards: as on the command line; of the configuration, with paths that hold from here.
        limits: by probe; the shipped ones if None.
    """

    rewards: tuple[str, ...] = ()
    rollouts: Path | None = None
    prompts: Path | None = None
    prompt_column: str = ""
    completion_column: str = ""
    answer_column: str = ""
    style: str | None = None
    python: Path | None = None
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    limits: dict[str, Limits] | None = None


def given_or_configured(given: Given, *, function: bool) -> Given:
    """The command line's options, with the configuration's where it is silent.

    Rollouts on the command line keep the configuration's prompts away, and the other way round.

    Args:
        given: by the command line.
        function: a reward function is wanted; not where a model stands in its place.

    Raises:
        ConfigError: the configuration is wrong.
        UsageError: no reward is named anywhere.
    """
    config = load_config(Path())
    settings, root = config.reward, config.root or Path()
    if settings is not None:
        named = given.rollouts is not None or given.prompts is not None
        given = replace(
            given,
            rewards=given.rewards or tuple(_from(root, reward) for reward in settings.function),
            rollouts=given.rollouts if named else _path(root, settings.rollouts),
            prompts=given.prompts if named or settings.rollouts else _path(root, settings.prompts),
            style=given.style or settings.style or None,
            python=given.python or _path(root, settings.python),
            select=given.select or settings.select,
            ignore=given.ignore or settings.ignore,
            limits=limits_with(settings.limits),
            **_columns(given, settings),
        )
    if not function:
        return replace(given, rewards=())
    if any(Path(reward).is_dir() for reward in given.rewards):
        if len(given.rewards) > 1:
            raise UsageError("a directory to look for a reward in stands alone")
        given = replace(given, rewards=rewards_in(Path(given.rewards[0])))
    if not given.rewards:
        raise UsageError(
            "no reward is named",
            hint="such as rewards.py:correctness, or a directory to look for one in; or set function in "
            "[tool.vllm-migrate.reward]",
        )
    return given


def rewards_in(folder: Path) -> tuple[str, ...]:
    """The only reward of a tree, as the command line names it; nothing of the tree is run.

    Raises:
        UsageError: there is none, or more than one: they are listed.
    """
    from vllm_migrate.resolve.rewards import find_rewards  # noqa: PLC0415 - most runs name their reward

    found = find_rewards(folder)
    if found.only:
        return tuple(_named(name, len(found.only)) for name in found.only)
    lines = [
        f"{use.where}: "
        + " ".join([*(_named(name, len(use.names)) for name in use.names), *_but(use.unknown)])
        for use in found.uses
    ]
    if not found.uses or any(use.unknown for use in found.uses):
        lines += [f"{_named(name, 1)}  ({name.style}, line {name.line})" for name in found.defined]
    lines += [f"not read: {said}" for said in found.unread[:_MOST_LISTED]]
    if not lines:
        raise UsageError(
            f"no reward was found in {folder}",
            hint="looked for reward_funcs of TRL's trainers, verl's custom_reward_function, and functions "
            "with the signature of a reward; name yours as file.py:function",
        )
    more = [f"and {len(lines) - _MOST_LISTED} more"] if len(lines) > _MOST_LISTED else []
    raise UsageError(
        f"more than one reward, or none that can be named, was found in {folder}: name one",
        hint="\n  ".join([*lines[:_MOST_LISTED], *more]),
    )


def _named(name: RewardName, several: int) -> str:
    here = Path.cwd()
    target = name.target
    if name.file is not None and name.file.is_relative_to(here):
        target = f"{name.file.relative_to(here)}:{name.name}"
    return target if several == 1 and name.weight == 1 else f"{target}={name.weight:g}"


def _but(unknown: tuple[str, ...]) -> list[str]:
    return [f"(besides: {', '.join(unknown)})"] if unknown else []


def _columns(given: Given, settings: RewardSettings) -> dict[str, str]:
    names = ("prompt_column", "completion_column", "answer_column")
    return {name: getattr(given, name) or getattr(settings, name) for name in names}


def _path(root: Path, text: str) -> Path | None:
    return root / Path(text).expanduser() if text else None


def _from(root: Path, reward: str) -> str:
    """A reward's file as it is found from here; a module's name stays as it is."""
    file, colon, name = reward.rpartition(":")
    return f"{root / file}{colon}{name}" if file.endswith(".py") else reward
