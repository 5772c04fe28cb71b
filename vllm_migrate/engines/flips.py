"""Settings changed in a live engine for the length of a block, and put back."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from vllm_migrate.errors import EngineError, VllmMigrateError
from vllm_migrate.workers import protocol as wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vllm_migrate.engines.calls import EngineCalls


class CannotFlipError(EngineError):
    """This engine can't be brought to a setting while it runs; `why` is its reason."""

    def __init__(self, setting: str, value: object, why: str) -> None:
        super().__init__(f"{setting} can't be {value} here: {why}")
        self.why = why


@contextmanager
def flipped(
    client: EngineCalls, settings: Mapping[str, object], *, slot: str = wire.MAIN_SLOT
) -> Iterator[dict[str, Any]]:
    """Change settings in a live engine, and put them back after the block.

    Args:
        client: speaks to the engine.
        settings: what to change. One that has its value already needs no change.
        slot: which of the process's engines.

    Yields:
        What the settings were.

    Raises:
        CannotFlipError: one can't be changed while this engine runs; nothing is changed then.
        EngineError: the engine failed while it was put back.
    """
    before: dict[str, Any] = {}
    changed: list[str] = []

    def change() -> None:
        for setting, value in settings.items():
            answer = client.flip(setting, value, slot=slot)
            before[setting] = answer.get("was")
            if answer.get("live"):
                changed.append(setting)
            elif before[setting] != value:
                raise CannotFlipError(setting, value, str(answer.get("why", "")))

    def put_back() -> None:
        for setting in reversed(changed):
            client.flip(setting, before[setting], slot=slot)

    try:
        change()
        yield before
    except BaseException:
        with suppress(VllmMigrateError):  # of an engine that failed, the first error is the one to tell
            put_back()
        raise
    put_back()
