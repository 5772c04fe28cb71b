"""How the user's code brings new weights into its engine, read off the code. Nothing of it is run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.audit.code.sites import is_minor, place_of
from vllm_migrate.audit.code.taken import Fate, Setting
from vllm_migrate.audit.code.values import one_line
from vllm_migrate.audit.sync.ways import SyncWay
from vllm_migrate.files.located import UNRESOLVED
from vllm_migrate.workers import sync_protocol as wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Call
    from vllm_migrate.files.weight_sync import WeightUpdate

OPTION = "sync"

_PAUSE = "pause_generation"
_TRANSFERS = re.compile(rb"\.(update_weights|finish_weight_update)\s*\(")


def sync_settings(files: Iterable[FileFacts]) -> list[Setting]:
    """The way weights are brought in, as a value of the audit's `--sync`; nothing where none was found.

    Args:
        files: of the project.

    Returns:
        One setting where all weight updates go the same way; where they don't, one that is not resolved.
    """
    found = [
        (facts, update, way_of(facts, update))
        for facts in files
        if not is_minor(facts.path)
        for update in facts.updates
        if not update.dead
    ]
    if not found:
        return []
    facts, update, way = found[0]
    place = place_of(facts, update.span.start)
    written = one_line(facts.source[update.span.start : update.span.end].decode("utf-8", "replace"))
    ways = {str(other) for _, _, other in found}
    if len(ways) > 1:
        note = f"{len(found)} places bring in weights in different ways: {', '.join(sorted(ways))}"
        return [Setting("sync", OPTION, Fate.UNRESOLVED, None, written, place, place, note=note)]
    return [
        Setting(
            "sync",
            OPTION,
            Fate.TAKEN,
            str(way),
            written,
            place,
            place,
            option=OPTION,
            note="" if way.clear else "no reset of the prefix cache was seen after it",
        )
    ]


def way_of(facts: FileFacts, update: WeightUpdate) -> SyncWay:
    """The way of one update.

    A worker method of the user's own is taken to write in place, as those of every RL framework do.
    """
    text = facts.source[update.span.start : update.span.end]
    if update.paused:
        mode, clear = _pause(facts, update)
        return SyncWay(mode, clear or update.reset)
    if update.woken:
        return SyncWay(wire.SLEEP_WAKE)
    if b"reload_weights" in text:
        mode = wire.RELOAD
    elif _TRANSFERS.search(text):
        mode = wire.TRANSFER
    else:
        mode = wire.IN_PLACE
    return SyncWay(mode, clear=update.reset)


def _pause(facts: FileFacts, update: WeightUpdate) -> tuple[str, bool]:
    """Mode and `clear_cache` of the nearest pause before an update; vLLM's defaults where nothing is said."""
    before = [call for call in _pauses(facts) if call.span.start < update.span.start]
    if not before:
        return wire.PAUSE_ABORT, True
    nearest = max(before, key=lambda call: call.span.start)
    mode = _literal(nearest, "mode", "abort")
    known = f"pause-{mode}"
    clear = _literal(nearest, "clear_cache", default=True)
    return (known if known in wire.PAUSES else wire.PAUSE_ABORT), bool(clear)


def _pauses(facts: FileFacts) -> Iterator[Call]:
    for call in facts.calls:
        if call.target.rpartition(".")[2] == _PAUSE and not call.dead:
            yield call


def _literal(call: Call, name: str, default: object) -> object:
    argument = call.argument(name)
    if argument is None or argument.value.literal is UNRESOLVED:
        return default
    return argument.value.literal
