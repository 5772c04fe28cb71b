"""Finds the rules: every `Rule` subclass with a code in a module of a folder of this package."""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
from functools import lru_cache

import vllm_migrate.rules
from vllm_migrate.errors import UsageError
from vllm_migrate.rules.base import Rule


@lru_cache(maxsize=1)
def all_rules() -> tuple[Rule, ...]:
    """One instance of every rule, in the order of their codes."""
    found: dict[str, Rule] = {}
    machinery = vllm_migrate.rules.__name__.count(".") + 1  # the modules beside the folders hold no rules
    for module in pkgutil.walk_packages(vllm_migrate.rules.__path__, "vllm_migrate.rules."):
        if module.ispkg or module.name.count(".") == machinery:
            continue
        for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(kind, Rule) and kind.__module__ == module.name and hasattr(kind, "code"):
                found[kind.code] = kind()
    return tuple(found[code] for code in sorted(found))


def rule(code: str) -> Rule:
    """The rule with this code or name.

    Raises:
        UsageError: where there is none.
    """
    wanted = code.strip()
    for candidate in all_rules():
        if wanted.upper() == candidate.code or wanted.lower() == candidate.name:
            return candidate
    names = [text for candidate in all_rules() for text in (candidate.code, candidate.name)]
    begun = [name for name in names if wanted and name.startswith(wanted.upper())]
    near = (
        begun
        or difflib.get_close_matches(wanted.upper(), names, n=1)
        or difflib.get_close_matches(wanted.lower(), names, n=1)
    )
    hint = f"did you mean {near[0]}?" if near else f"the rules are {', '.join(r.code for r in all_rules())}"
    raise UsageError(f"there is no rule {wanted!r}", hint=hint)
