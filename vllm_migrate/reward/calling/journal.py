"""What a reward has answered, kept on disk: an examination that was killed goes on without asking again.

One file for each state of a reward, of JSON lines; each line is appended in one step, and a last line that a
kill or a full disk cut off is dropped. A call is known by the digest of its texts and by how many like it
were made before, so that a text which is asked about five times is five times in here. The file holds rewards
and digests, no texts.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import vllm_migrate
from vllm_migrate.errors import InputError, UsageError
from vllm_migrate.reward.sample import Score

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vllm_migrate.reward.calling.texts import Texts


class ScoreJournal:
    """Scores by call and place.

    Attributes:
        notes: what it could not do, in words.

    Args:
        directory: made if it is not there.
        key: digest of all that decides what the reward says, see `reward_key`.

    Raises:
        UsageError: another process has it.
        InputError: it can't be made or read.
    """

    def __init__(self, directory: Path, key: str) -> None:
        self.notes: list[str] = []
        self._made: Counter[str] = Counter()
        self._known: dict[tuple[str, int], dict[int, Score]] = {}
        path = directory / f"scores-{key[:32]}.jsonl"
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise InputError(f"can't keep scores in {directory}: {error.strerror or error}") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            raise UsageError(f"--resume {directory} is in use by another run") from None
        text = path.read_bytes()
        whole = text.rfind(b"\n") + 1
        if whole < len(text):
            os.truncate(self._file, whole)
        for line in text[:whole].splitlines():
            self._learn(line)

    def begin(self, texts: Texts, batch: int, *, fresh: bool) -> tuple[str, int]:
        """The name of a call that is made now."""
        digest = _digest(
            [
                list(texts.prompts),
                list(texts.completions),
                [list(ids) for ids in texts.completion_ids],
                texts.columns,
                list(texts.answers),
                [list(one) for one in texts.messages],
                batch,
                fresh,
            ]
        )
        turn = self._made[digest]
        self._made[digest] += 1
        return digest, turn

    def known(self, call: tuple[str, int]) -> dict[int, Score]:
        """Scores of a call by place, as far as they are known."""
        return self._known.get(call, {})

    def keep(self, call: tuple[str, int], places: Sequence[int], scores: Iterable[Score]) -> None:
        """Keep some scores. A full disk is no reason to lose an examination: it is noted."""
        if self._file < 0:
            return
        said = [{"fault": score.fault} if score.fault else score.value for score in scores]
        line = json.dumps({"call": call[0], "turn": call[1], "places": list(places), "scores": said})
        try:
            text = f"{line}\n".encode()
            if os.write(self._file, text) < len(text):
                raise OSError(0, "the disk is full")  # noqa: TRY301 - both ways to fail end in one note
        except OSError as error:
            self.notes.append(f"scores could not be kept for a later run: {error.strerror or error}")
            self.close()

    def close(self) -> None:
        """Let others have it; calling it again does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _learn(self, line: bytes) -> None:
        try:
            row = json.loads(line)
            found = self._known.setdefault((row["call"], row["turn"]), {})
            for place, said in zip(row["places"], row["scores"], strict=True):
                found[place] = Score(None, said["fault"]) if isinstance(said, dict) else Score(said)
        except (ValueError, KeyError, TypeError):
            self.notes.append("a line of the kept scores can't be read and is left out")


def reward_key(settings: Sequence[Any], files: Iterable[str]) -> str:
    """SHA-256 over all that decides what a reward says, as far as it is known.

    Args:
        settings: of the call.
        files: that the reward is imported from.
    """
    parts = [vllm_migrate.__version__, *map(str, settings)]
    parts += [f"{file} {_of_file(file)}" for file in sorted(files)]
    return _digest(parts)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def _of_file(file: str) -> str:
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError:
        return "absent"
