"""The stages of a training step, and what may be done at one."""

from __future__ import annotations

from enum import Enum


class Stage(str, Enum):
    """In the order in which a step passes through them."""

    ROLLOUT = "rollout"
    LOGPROB = "logprob"
    REWARD = "reward"
    ADVANTAGE = "advantage"
    RATIO = "ratio"
    UPDATE = "update"

    @property
    def rank(self) -> int:
        """Its place in that order, from 0."""
        return list(Stage).index(self)


class Action(str, Enum):
    """What to do with a step, from nothing to most."""

    CONTINUE = "continue"
    WARN = "warn"
    SKIP_BATCH = "skip_batch"
    STOP = "stop"

    @property
    def rank(self) -> int:
        """0 for CONTINUE to 3 for STOP; also what `guard/action` logs."""
        return list(Action).index(self)
