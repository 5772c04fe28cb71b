"""The exception tree and the exit codes.

    VllmMigrateError            exit 2, one clear line on stderr
    ├── UsageError              an option or argument makes no sense
    ├── ConfigError             [tool.vllm-migrate] is wrong
    ├── InputError              a file of the user's can't be read or isn't what it should be
    ├── UncommittedError        a file to be edited has changes that git has not committed
    ├── FactsError              the shipped data contradicts itself (a defect of ours)
    ├── EngineError             an engine could not do what was asked
    │   ├── ProvisionError      its environment could not be made
    │   ├── EngineStartError    it did not come up
    │   ├── EngineDiedError     it stopped in the middle
    │   └── ForcedDecodingError it emitted other token ids than it was given
    ├── RewardError             the user's reward function failed
    ├── BoundaryError           a boundary of the guard, or what it was given to measure, makes no sense
    └── TrainingStopped         a training step left its boundaries

Exit codes are the same for every command and output format: 0 clean or PASS, 1 findings or FAIL,
2 could not judge. Machine formats carry `reason`, a stable slug that says which error it was.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process tells its caller."""

    CLEAN = 0
    FINDINGS = 1
    NOT_JUDGED = 2


class VllmMigrateError(Exception):
    """Anything that keeps the tool from judging.

    Attributes:
        message: one line, without a trailing full stop, saying what is wrong.
        hint: what to do next; empty where there is nothing to add.
        reason: stable slug for machine formats.
    """

    reason = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(VllmMigrateError):
    """An option or argument makes no sense."""

    reason = "usage"


class ConfigError(VllmMigrateError):
    """The user's configuration is wrong."""

    reason = "config"


class InputError(VllmMigrateError):
    """A file of the user's can't be read or isn't what it should be."""

    reason = "input"


class UncommittedError(VllmMigrateError):
    """A file that would be edited has changes that git has not committed."""

    reason = "uncommitted"


class FactsError(VllmMigrateError):
    """The shipped data contradicts itself."""

    reason = "facts"


class EngineError(VllmMigrateError):
    """An engine could not do what was asked."""

    reason = "engine"


class ProvisionError(EngineError):
    """An engine's environment could not be made."""

    reason = "provision"


class EngineStartError(EngineError):
    """An engine did not come up."""

    reason = "engine-start"


class EngineDiedError(EngineError):
    """An engine stopped in the middle of its work."""

    reason = "engine-died"


class ForcedDecodingError(EngineError):
    """An engine emitted other token ids than the ones it was told to."""

    reason = "forced-decoding"


class RewardError(VllmMigrateError):
    """The user's reward function failed."""

    reason = "reward"


class BoundaryError(VllmMigrateError):
    """A boundary of the guard, or what the guard was given to measure, makes no sense."""

    reason = "boundary"


class TrainingStopped(VllmMigrateError):  # noqa: N818 - the training is stopped; nothing went wrong in stopping it
    """A training step left its boundaries."""

    reason = "training-stopped"
