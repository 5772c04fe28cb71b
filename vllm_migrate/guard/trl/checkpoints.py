"""The guard's counts beside a checkpoint, so that a resumed training is judged as if it had not stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vllm_migrate.errors import BoundaryError

if TYPE_CHECKING:
    from vllm_migrate.guard.policy_guard import PolicyGuard

FILE = "vllm_migrate_guard.json"


def save(guard: PolicyGuard, args: Any, state: Any) -> None:
    """Write the guard's counts into the checkpoint that was just saved, in the process that saves."""
    folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
    if not args.should_save or not folder.is_dir():  # a hyper-parameter search keeps them elsewhere
        return
    unfinished = folder / f"{FILE}.part"
    unfinished.write_text(json.dumps(guard.state_dict()), encoding="utf-8")
    unfinished.replace(folder / FILE)


def load(guard: PolicyGuard, args: Any, resume_from: object) -> bool:
    """Take the counts up again from where the training resumes.

    Args:
        guard: to load them into.
        args: the trainer's; names the folder of checkpoints.
        resume_from: as `Trainer.train` takes it: a path, True for the last checkpoint, None or False.

    Returns:
        Whether there were any: False for a new training, and a checkpoint that was saved without a guard.

    Raises:
        BoundaryError: the file is there and can't be read.
    """
    if not resume_from:
        return False
    folder = _last(args) if resume_from is True else str(resume_from)
    path = Path(folder or "", FILE)
    if not folder or not path.is_file():
        return False
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BoundaryError(
            f"{path} can't be read: {error}", hint="remove it to start counting anew"
        ) from None
    if not isinstance(state, dict):
        raise BoundaryError(f"{path} holds no state of a guard", hint="remove it to start counting anew")
    guard.load_state_dict(state)
    return True


def _last(args: Any) -> str | None:
    from transformers.trainer_utils import get_last_checkpoint  # noqa: PLC0415 - only where there is a trainer

    found: str | None = get_last_checkpoint(args.output_dir)
    return found
