"""What to do about an argument that the target lacks: take it out, write another, or keep to a fork."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.rules.backstop.absent import near

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from vllm_migrate.facts.surface.compare import Absence
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Argument
    from vllm_migrate.rules.base import Context

_ENOUGH = 2
"""Other arguments of the call that no known release had. One may be a slip, three are a feature."""

_LISTED = 3


def advice(  # noqa: PLR0917 (what is known of one argument)
    argument: Argument,
    name: str,
    absence: Absence,
    owners: Sequence[str],
    taken: Collection[str],
    file: FileFacts,
    context: Context,
) -> str:
    """What to do about an argument.

    Args:
        argument: the one that the target lacks.
        name: as it is written, `--flag` where it is one.
        absence: what is known of it.
        owners: the classes one of which has to take it.
        taken: the parameters that the target takes.
        file: where it is given.
        context: gives the target's API.
    """
    meant = near(absence, argument.name, taken)
    if meant:
        return f"remove {name}, or write {meant} if that is meant"
    others = [] if absence.last else _never_taken(argument, owners, file, context)
    if len(others) < _ENOUGH:
        return f"remove {name}"
    return (
        f"no known release had {_listed(others)} of this call either: if they are of a fork that this code "
        f"is for, keep to the fork here, since what they ask for isn't done without them; else remove {name}"
    )


def _never_taken(argument: Argument, owners: Sequence[str], file: FileFacts, context: Context) -> list[str]:
    """The other arguments of a call that no release ever took."""
    if argument.call < 0:
        return []
    found = []
    for other in file.arguments:
        if other.call != argument.call or other.name == argument.name or other.owner != argument.owner:
            continue
        absence = context.api.parameter(tuple(owners), other.name)
        if absence is not None and not absence.last:
            found.append(other.name)
    return found


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
