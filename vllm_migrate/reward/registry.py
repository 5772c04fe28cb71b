"""Finds the probes: every module of `reward.probes` holds one, as `PROBE`."""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache
from typing import TYPE_CHECKING

from vllm_migrate.errors import UsageError
from vllm_migrate.reward import probes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.reward.bench import Probe


@lru_cache(maxsize=1)
def all_probes() -> tuple[Probe, ...]:
    """Every probe, in the order they are asked and reported."""
    found = [
        importlib.import_module(f"{probes.__name__}.{module.name}").PROBE
        for module in pkgutil.iter_modules(probes.__path__)
    ]
    return tuple(sorted(found, key=lambda probe: (probe.order, probe.name)))


def selected(select: Sequence[str], ignore: Sequence[str]) -> frozenset[str]:
    """Names of the probes to ask: those of `select`, all where it is empty, without those of `ignore`.

    Raises:
        UsageError: there is no probe of a name.
    """
    known = {probe.name for probe in all_probes()}
    for name in (*select, *ignore):
        if name not in known:
            raise _unknown(name, known)
    return frozenset(select or known) - frozenset(ignore)


def _unknown(name: str, known: set[str]) -> UsageError:
    from difflib import get_close_matches  # noqa: PLC0415 - only on the way out

    close = get_close_matches(name, sorted(known), n=1)
    return UsageError(
        f"no probe is called {name!r}",
        hint=f"did you mean {close[0]!r}?" if close else f"probes: {', '.join(sorted(known))}",
    )
