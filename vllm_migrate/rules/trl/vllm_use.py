"""Whether TRL generates with vLLM anywhere in a project, and what files of settings leave to its defaults.

Where it never does, the project's TRL has nothing to do with its vLLM: it stays where it is, and so do its
arguments and defaults.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.files.kinds import SETTINGS

if TYPE_CHECKING:
    from vllm_migrate.rules.base import Context

_OFF = rb"[\"']?(?:[=:,][ \t]*|[ \t]+|[ \t]*=[ \t]*)[\"']?(?i:false|0|no|off|none|null)\b"
_TURNED_ON = re.compile(rb"use[_-]vllm(?!\w|%s)" % _OFF)
"""`use_vllm` as a setting, an option or in code, but for where it is written as false."""
_USED = re.compile(
    rb"^[ \t]*\"?[ \t]*(?:from|import)[ \t]+vllm\b|\bvllm-serve\b|\btrl\[[^\]\n]*\bvllm\b", re.MULTILINE
)
"""An import of vLLM (in a cell of a notebook, too), TRL's server of it, or TRL with its extra for vLLM."""
_TRAINS = re.compile(
    rb"^[ \t]*[\"']?(?:num_generations|max_completion_length|use_vllm|vllm_mode)[\"']?[ \t]*[:=]",
    re.MULTILINE,
)
"""A key that only the configurations of TRL's trainers that generate have."""


def is_turned_on(context: Context) -> bool:
    """Whether `use_vllm` stands anywhere in the project otherwise than as false. True for a file alone."""
    mentions = context.mentions
    return mentions is None or mentions.matches(_TURNED_ON, b"use_vllm", b"use-vllm")


def may_use_vllm(context: Context) -> bool:
    """Whether TRL may be told to use vLLM, or the project uses or requires vLLM by itself."""
    mentions = context.mentions
    return (
        mentions is None
        or is_turned_on(context)
        or any(pin.package.lower() == "vllm" for _, pin in context.pins)
        or mentions.matches(_USED, b"vllm")
    )


def is_in_settings(argument: str, context: Context) -> bool:
    """Whether all the project's files of settings for a trainer that generates set an argument.

    It is for a configuration that takes what a file holds by `**`, where which file that is can't be seen.
    """
    if context.mentions is None:
        return False
    key = re.compile(rb"^[ \t]*[\"']?%s[\"']?[ \t]*[:=]" % argument.encode(), re.MULTILINE)
    held = [
        source
        for _, kind, source in context.mentions.files_with(b"_")
        if kind in SETTINGS and _TRAINS.search(source)
    ]
    return bool(held) and all(key.search(source) for source in held)
