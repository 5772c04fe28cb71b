"""`trainer_state.json` of transformers' Trainer, which TRL's trainers are; written whole at each save."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from vllm_migrate.errors import InputError
from vllm_migrate.watch.readers.base import Reader
from vllm_migrate.watch.readers.steps import add_row

if TYPE_CHECKING:
    from typing import BinaryIO

_SUMMARY = "train_runtime"


class TrainerStateReader(Reader):
    """One state file."""

    kind = "Trainer state"

    def _read(self, stream: BinaryIO) -> None:
        try:
            state = json.load(stream)
            history = state["log_history"]
            rows = [row for row in history if isinstance(row, dict) and _SUMMARY not in row]
        except (ValueError, RecursionError) as error:
            if self._seen is not None:  # it was one: it is being written anew
                self.partial = True
                return
            raise InputError(f"{self.path}: no JSON: {error}") from None
        except (KeyError, TypeError):
            raise InputError(f"{self.path}: has no log_history", hint="is it a trainer_state.json?") from None
        self.collector.clear()
        self.partial = False
        self.bad = sum(not add_row(self.collector, row) for row in rows)
        last, most = state.get("global_step"), state.get("max_steps")
        whole = isinstance(last, int) and isinstance(most, int)
        self.finished = whole and last >= most > 0
