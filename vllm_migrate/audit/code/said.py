"""What is said about the settings that user code gives: assumptions, and reasons why some were left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.audit.code.taken import Fate
from vllm_migrate.audit.code.values import one_line
from vllm_migrate.resolve.flow.values import Scalar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from vllm_migrate.audit.code.settings import Given
    from vllm_migrate.audit.code.sites import Site
    from vllm_migrate.audit.code.taken import Setting
    from vllm_migrate.facts.model import Target


def assumed(given: Iterable[Given], settings: Iterable[Setting]) -> tuple[str, ...]:
    """What was taken for granted on the way to values that were taken."""
    places = {setting.place for setting in settings if setting.fate is Fate.TAKEN}
    said = [
        line
        for _, value, _, _ in given
        if isinstance(value, Scalar) and value.place in places
        for line in value.assumed
    ]
    return tuple(dict.fromkeys(said))


def warnings(settings: Sequence[Setting], site: Site, target: Target) -> Iterator[str]:
    """One line for each reason why settings were left out though they may matter."""

    def listed(fate: Fate) -> str:
        return ", ".join(described(one) for one in settings if one.fate is fate and one.name)

    if refused := listed(Fate.REFUSED):
        yield (
            f"vLLM {target.version} would refuse these arguments of {site.place}, so they were left out:"
            f" {refused}; `vllm-migrate check` says what to do"
        )
    if unresolved := listed(Fate.UNRESOLVED):
        yield (
            f"not resolved, so left at its default or the audit's: {unresolved};"
            " --v1-args or an option can give it"
        )
    if unsupported := listed(Fate.UNSUPPORTED):
        yield f"the audit can't replay with {unsupported}; what it finds holds without"
    for one in settings:
        if one.fate is Fate.UNRESOLVED and not one.name:
            what = f"{one.written} at {one.at} can't be followed ({one.note})"
            yield f"{what}; --v1-args can give what it holds"


def described(setting: Setting) -> str:
    """A setting in a sentence: as it is written, where, and what became of it."""
    worth = (
        f"{setting.name}={one_line(repr(setting.value) if setting.value is not None else setting.written)}"
    )
    where = str(setting.place)
    return f"{worth} ({where}{': ' + setting.note if setting.note else ''})"
