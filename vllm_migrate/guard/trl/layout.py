"""Whether a trainer has what the guard needs, judged by its methods and not only by TRL's version number.

The guard takes its figures from three methods of `GRPOTrainer` and two dictionaries that pass between them.
They had the same names and meaning in the releases from 1.0.0 to 1.16.0. What is asked of any other release
is asked of its code: the names it calls and the keys it reads. No source is parsed and nothing is run.
"""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from vllm_migrate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

OLDEST, NEWEST_SEEN = Version("1.0.0"), Version("1.16.0")
MARK = "_vllm_migrate_guard"
"""Attribute of a trainer that has a guard."""

LOSS = "_compute_loss"
LOGPROBS = "_get_per_token_logps_and_entropies"
GENERATE = "_generate_and_score_completions"
REWARDS = "_calculate_rewards"
BEFORE_UPDATE = "on_pre_optimizer_step"

MASK, TOOL_MASK, ADVANTAGES = "completion_mask", "tool_mask", "advantages"
OLD, SAMPLING, REFERENCE = "old_per_token_logps", "sampling_per_token_logps", "ref_per_token_logps"

_TRAINER = "GRPOTrainer"
_LOOP = "use PolicyGuard.step in the training loop instead (docs/guard.md)"
_READS = {
    LOSS: ((LOGPROBS,), (MASK, TOOL_MASK, ADVANTAGES, OLD)),
    GENERATE: ((LOGPROBS, REWARDS), (MASK, TOOL_MASK, ADVANTAGES, OLD, SAMPLING, REFERENCE)),
}
"""By method: the methods it must call, and the keys of a batch it must know."""
_PARAMETERS = {LOSS: ("self", "model", "inputs"), LOGPROBS: ("self", "model"), GENERATE: ("self", "inputs")}
_ATTRIBUTES = (
    "_metrics",
    "accelerator",
    "beta",
    "epsilon_high",
    "epsilon_low",
    "importance_sampling_level",
    "loss_type",
    "num_generations",
    "reward_func_names",
    "reward_weights",
    "state",
    "use_vllm",
)


@dataclass(frozen=True, slots=True)
class Layout:
    """What kind of trainer was found.

    Attributes:
        trl: TRL's version; `known` whether its layout was looked at when this was written.
        base: TRL's own class, of which the trainer is one.
    """

    trl: Version
    known: bool
    base: type


def require(trainer: Any) -> Layout:
    """The layout of a trainer that the guard can be attached to.

    Raises:
        UsageError: it can't be; one line says why.
    """
    base = _base(trainer)
    version = _version(base)
    if version < OLDEST:
        raise UsageError(
            f"attach needs TRL {OLDEST} or newer, this is {version}", hint=f"upgrade trl, or {_LOOP}"
        )
    name = type(trainer).__name__
    if getattr(trainer, MARK, None) is not None:
        raise UsageError(f"this {name} has a guard already", hint="detach() that one first")
    _refuse_missing(base, version)
    _refuse_missing_attributes(trainer, version)
    _refuse_overridden(trainer, base)
    _refuse_settings(trainer)
    return Layout(version, known=OLDEST <= version <= NEWEST_SEEN, base=base)


def _base(trainer: Any) -> type:
    for one in type(trainer).__mro__:
        if one.__name__ == _TRAINER and one.__module__.split(".")[0] == "trl":
            return one
    kind = f"the class {trainer.__name__}" if isinstance(trainer, type) else type(trainer).__name__
    raise UsageError(f"attach needs a {_TRAINER} of TRL, this is {kind}", hint=_LOOP)


def _version(base: type) -> Version:
    said = getattr(sys.modules[base.__module__.split(".")[0]], "__version__", "")
    try:
        return Version(said)
    except InvalidVersion:
        raise UsageError(
            f"TRL says its version is {said!r}, which is none", hint="install a release of trl"
        ) from None


def _refuse_missing(base: type, version: Version) -> None:
    """What the class itself must have: methods, their parameters, what they call and read."""
    for name in (LOSS, LOGPROBS, GENERATE, REWARDS):
        if not inspect.isfunction(getattr(base, name, None)):
            raise _changed(version, f"{_TRAINER} has no {name}")
    for name, wanted in _PARAMETERS.items():
        parameters = tuple(inspect.signature(getattr(base, name)).parameters)
        if parameters[: len(wanted)] != wanted:
            raise _changed(version, f"{name} takes ({', '.join(parameters)})")
    for name, (calls, keys) in _READS.items():
        names, words = _names(getattr(base, name))
        for call in calls:
            if call not in names:
                raise _changed(version, f"{name} does not call {call}")
        for key in keys:
            if key not in words:
                raise _changed(version, f"{name} knows no {key!r}")
    if not any(BEFORE_UPDATE in _names(method)[0] for method in _methods(base)):
        raise _changed(version, f"its training loop has no {BEFORE_UPDATE}")


def _refuse_missing_attributes(trainer: Any, version: Version) -> None:
    missing = [name for name in _ATTRIBUTES if not hasattr(trainer, name)]
    if missing:
        raise _changed(version, f"the trainer has no {', '.join(missing)}")
    if not isinstance(trainer._metrics, dict) or "train" not in trainer._metrics:  # noqa: SLF001 - TRL's own log
        raise _changed(version, "_metrics holds no 'train'")


def _refuse_overridden(trainer: Any, base: type) -> None:
    """A subclass that computes its loss or logprobs in its own way means something else by them."""
    kind = type(trainer)
    for name in (LOSS, LOGPROBS, REWARDS):
        owner = next(one for one in kind.__mro__ if name in vars(one))
        if owner is not base and issubclass(owner, base):
            raise UsageError(f"{owner.__name__} overrides {name}, which the guard reads", hint=_LOOP)
        if name in vars(trainer):
            raise UsageError(f"{name} of this {kind.__name__} has been replaced already", hint=_LOOP)


def _refuse_settings(trainer: Any) -> None:
    if getattr(trainer, "is_deepspeed_enabled", False):
        raise UsageError(
            "under DeepSpeed the weights are updated inside the backward pass, before the guard could decide",
            hint=_LOOP,
        )
    optimizer = str(getattr(getattr(trainer, "args", None), "optim", ""))
    if "lomo" in optimizer.lower():
        raise UsageError(
            "LOMO updates the weights inside the backward pass, before the guard could decide", hint=_LOOP
        )
    if getattr(trainer, "use_liger_kernel", False) and hasattr(type(trainer), "compute_liger_loss"):
        raise UsageError(
            "use_liger_kernel computes the loss without logprobs in this release of TRL",
            hint="set use_liger_kernel=False, or upgrade trl to 1.14 or newer",
        )


def _changed(version: Version, what: str) -> UsageError:
    return UsageError(f"the guard does not know this layout of TRL {version}: {what}", hint=_LOOP)


def _methods(base: type) -> Iterator[Any]:
    for one in base.__mro__:
        yield from (value for value in vars(one).values() if inspect.isfunction(value))


def _names(method: Any) -> tuple[set[str], set[object]]:
    """The names that a method's code uses, and its constants."""
    names: set[str] = set()
    words: set[object] = set()
    waiting: list[CodeType] = [inspect.unwrap(method).__code__]
    while waiting:
        code = waiting.pop()
        names.update(code.co_names)
        for constant in code.co_consts:
            if inspect.iscode(constant):
                waiting.append(constant)
            elif isinstance(constant, tuple | frozenset):
                words.update(constant)
            else:
                words.add(constant)
    return names, words
