"""What a step was given, checked and laid out alike; what only the values show is checked afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vllm_migrate.errors import BoundaryError
from vllm_migrate.guard.arrays import HALF, Array, Arrays, type_name

_SHAPE = "(B, T)"


@dataclass(frozen=True, slots=True)
class Batch:
    """Arrays of one library on one device; None where nothing was given.

    Attributes:
        trainer, rollout, previous, reference: logprobs, shape (B, T), in the type that is computed in.
        mask: booleans, shape (B, T). `mask_wrong`: how many values were neither 0 nor 1, 0-d.
        rewards, second_rewards: shape (B,). `advantages`: (B,) or (B, T). `groups`: integers, (B,).
        entropy: 0-d or shape (B, T).
        half_precision: whether any logprobs came in a 16-bit type.
    """

    trainer: Array
    mask: Array
    mask_wrong: Array
    rollout: Array | None = None
    previous: Array | None = None
    reference: Array | None = None
    rewards: Array | None = None
    second_rewards: Array | None = None
    advantages: Array | None = None
    groups: Array | None = None
    entropy: Array | None = None
    half_precision: bool = False


def read(
    *,
    trainer_logprobs: Any,
    rollout_logprobs: Any,
    mask: Any,
    previous_logprobs: Any = None,
    reference_logprobs: Any = None,
    rewards: Any = None,
    second_rewards: Any = None,
    advantages: Any = None,
    groups: Any = None,
    entropy: Any = None,
) -> tuple[Arrays, Batch]:
    """The operations for these arrays, and the arrays.

    Raises:
        BoundaryError: a shape or type that can't be.
    """
    tokens = {
        "rollout_logprobs": rollout_logprobs,
        "mask": mask,
        "previous_logprobs": previous_logprobs,
        "reference_logprobs": reference_logprobs,
    }
    rows = {"rewards": rewards, "second_rewards": second_rewards, "advantages": advantages, "groups": groups}
    ops = Arrays(trainer_logprobs, [*tokens.values(), *rows.values(), entropy])
    trainer = ops.plain(trainer_logprobs, "trainer_logprobs")
    shape = tuple(trainer.shape)
    if len(shape) != 2:  # noqa: PLR2004 - sequences by tokens
        hint = "a packed row of T tokens is one sequence to the guard: reshape it to (1, T)"
        raise BoundaryError(f"trainer_logprobs has shape {shape}, not {_SHAPE}", hint=hint)
    found = {"trainer_logprobs": trainer} | {
        name: _of_shape(ops, name, value, (shape,)) for name, value in tokens.items() if value is not None
    }
    if "mask" not in found:
        raise BoundaryError("mask is missing", hint="1 for every token that was sampled and is trained on")
    logprobs = {name: value for name, value in found.items() if name != "mask"}
    for name, value in logprobs.items():
        _must_be_float(name, value)
    given = {
        name: _of_shape(ops, name, value, (shape[:1], shape) if name == "advantages" else (shape[:1],))
        for name, value in rows.items()
        if value is not None
    }
    for name, value in given.items():
        if name == "groups" and not _is_integer(value):
            hint = "one whole number for each completion, the same for completions of one prompt"
            raise BoundaryError(f"groups holds {type_name(value)}, not whole numbers", hint=hint)
    if entropy is not None:
        given["entropy"] = _of_shape(ops, "entropy", entropy, ((), shape))
    for name, value in given.items():
        _must_be_numbers(name, value)
    kept, wrong = _mask(ops, found["mask"])
    batch = Batch(
        trainer=ops.floats(trainer),
        mask=kept,
        mask_wrong=wrong,
        **{
            name.removesuffix("_logprobs"): ops.floats(value)
            for name, value in logprobs.items()
            if name != "trainer_logprobs"
        },
        **{name: value if name == "groups" else _laid_out(ops, value) for name, value in given.items()},
        half_precision=any(type_name(value) in HALF for value in logprobs.values()),
    )
    return ops, batch


def _laid_out(ops: Arrays, value: Array) -> Array:
    """Rows in the type of sums; of tokens there are too many for that."""
    return ops.floats(value) if len(value.shape) > 1 else ops.widened(value)


def _of_shape(ops: Arrays, name: str, value: Any, allowed: tuple[tuple[int, ...], ...]) -> Array:
    array = ops.plain(value, name)
    shape = tuple(array.shape)
    if shape not in allowed:
        wanted = " or ".join(str(one) for one in allowed)
        hint = (
            "align it with trainer_logprobs: the same sequences, the same tokens, prompts cut off or masked"
        )
        raise BoundaryError(f"{name} has shape {shape}, not {wanted}", hint=hint)
    return array


def _must_be_float(name: str, array: Array) -> None:
    if "float" not in type_name(array):
        hint = "logprobs in nats, as the trainer and the engine return them; no token ids, no objects"
        raise BoundaryError(f"{name} holds {type_name(array)}, not floats", hint=hint)


def _must_be_numbers(name: str, array: Array) -> None:
    if not type_name(array).startswith(("float", "bfloat", "int", "uint", "bool")):
        raise BoundaryError(f"{name} holds {type_name(array)}, not numbers")


def _is_integer(array: Array) -> bool:
    return "int" in type_name(array)


def _mask(ops: Arrays, mask: Array) -> tuple[Array, Array]:
    """The mask as booleans, and how many of its values are neither 0 nor 1."""
    if type_name(mask) in {"bool", "bool_"}:
        return mask, ops.zero()
    _must_be_numbers("mask", mask)
    kept = mask != 0
    return kept, ops.total(kept & (mask != 1))
