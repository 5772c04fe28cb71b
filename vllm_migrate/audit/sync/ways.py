"""Ways to bring new weights into a running engine, as they are named on the command line and in reports."""

from __future__ import annotations

from dataclasses import dataclass

from vllm_migrate.errors import UsageError
from vllm_migrate.workers import sync_protocol as wire

RESET = "+reset"
FLOAT32 = "float32"
LEVELS = ("auto", "own", "all", "none")

PAUSES = "pauses"
"""A level of the probe's own: the pause modes alone."""


@dataclass(frozen=True, slots=True)
class SyncWay:
    """How weights are brought in: one of the protocol's modes, and whether the prefix cache is emptied.

    For the pause modes `clear` is `clear_cache=True`; for the others a `reset_prefix_cache()` afterwards.
    """

    mode: str
    clear: bool = False

    def __str__(self) -> str:
        """As it is written on the command line."""
        return self.mode + (RESET if self.clear else "")


@dataclass(frozen=True, slots=True)
class Case:
    """One probe of a way.

    Attributes:
        caching: prefix caching on or off in the engine.
        head: "float32" for a head in fp32, "" for the engine's own.
        after: the engine step before which the update comes while requests run; 0 for an idle engine.
    """

    way: SyncWay
    caching: bool
    head: str = ""
    after: int = 0


def parse_way(text: str) -> SyncWay:
    """The way a user named: a mode, with `+reset` where the prefix cache is emptied.

    Raises:
        UsageError: there is no such way.
    """
    mode, plus, rest = text.strip().partition("+")
    if mode not in wire.MODES or (plus and plus + rest != RESET):
        raise UsageError(
            f"--sync {text}: no such way to bring in weights",
            hint=f"one of {', '.join(wire.MODES)}; with {RESET} where the prefix cache is reset as well",
        )
    return SyncWay(mode, clear=bool(plus))


def plain_mode(generation: str) -> str:
    """The simplest way that always works: V1 reloads, V0 writes in place."""
    return wire.RELOAD if generation == "v1" else wire.IN_PLACE


_OF_V0 = (wire.NONE, wire.IN_PLACE, wire.SLEEP_WAKE)

STEPS_BEFORE = 4
"""Engine steps before an update in flight: some tokens of every sequence are from the old weights."""


def cases(level: str, *, generation: str, caching: bool, way: SyncWay | None) -> tuple[Case, ...]:
    """What to probe in one engine.

    Args:
        level: "auto" for what user code does most, "own" for the user's own way alone where that is known,
            "all" for every mode the protocol knows, `PAUSES` for the pause modes alone, "none".
        generation: "v0" or "v1".
        caching: whether the engine was started with prefix caching.
        way: the user's own way, probed in any case unless `level` is "none".
    """
    if level == "none":
        return ()
    plain = plain_mode(generation)
    wanted: list[Case] = []

    def add(mode: str, *, clear: bool, on: bool = caching, head: str = "") -> None:
        after = STEPS_BEFORE if mode in wire.PAUSES else 0
        case = Case(SyncWay(mode, clear), on, head, after)
        if case not in wanted:
            wanted.append(case)

    if level == PAUSES:
        for mode in wire.PAUSES:
            add(mode, clear=False)
            add(mode, clear=True)
        return tuple(wanted)
    offered = wire.MODES if generation == "v1" else _OF_V0
    if way is not None and way.mode in offered:
        add(way.mode, clear=way.clear)
        if level == "own":
            if way.mode in {wire.IN_PLACE, wire.TRANSFER}:  # what stands in where it can't be tried
                add(plain, clear=way.clear)
            return tuple(wanted)
    add(plain, clear=False)
    add(plain, clear=True)
    if caching:
        add(plain, clear=False, on=False)
    if generation == "v1":
        for mode in wire.PAUSES:
            add(mode, clear=False)
            add(mode, clear=True)
        add(wire.SLEEP_WAKE, clear=False)
        add(plain, clear=True, head=FLOAT32)
    if level == "all":
        wanted.append(Case(SyncWay(plain), caching, after=STEPS_BEFORE))
        for mode in (wire.RELOAD_TENSORS, wire.IN_PLACE, wire.TRANSFER):
            if mode in offered:
                for on in dict.fromkeys((caching, False)):
                    add(mode, clear=False, on=on)
                add(mode, clear=True)
    return tuple(wanted)
