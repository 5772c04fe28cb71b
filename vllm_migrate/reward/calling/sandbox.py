"""Asks a reward in a process of its own, and goes on where the process hangs or dies.

How texts go through that process, and through those that take its place, is in `calling.run`.
"""

from __future__ import annotations

import math
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vllm_migrate.errors import RewardError
from vllm_migrate.reward.calling.hints import hint_for
from vllm_migrate.reward.calling.process import EndedError, RewardProcess
from vllm_migrate.reward.calling.run import NOT_SCORED, Run
from vllm_migrate.reward.calling.strict import StrictRun
from vllm_migrate.reward.sample import Score

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vllm_migrate.reward.calling.named_reward import RewardFunction
    from vllm_migrate.reward.calling.run import Told
    from vllm_migrate.reward.calling.texts import Texts

STYLES = ("auto", "trl", "verl", "text", "prompt-text", "text-answer", "prompt-text-answer")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a reward may take.

    Attributes:
        seconds: of wall time, for each text of a call.
        start_seconds: until it is imported.
        cpu_seconds: of processor time over its life; None for any.
        memory_bytes: of address space, each of its processes; frameworks reserve far more than they use.
        file_bytes: of a file it writes.
        processes: at once, itself included.
        restarts: after hangs and crashes; what is left then is not scored.
        lost_seconds: of wall time, in calls that did not return, over all questions; nothing is asked then.
        total_seconds: of wall time from its first start on, over all questions; None for any.
    """

    seconds: float = 10.0
    start_seconds: float = 300.0
    cpu_seconds: int | None = None
    memory_bytes: int = 16 << 30
    file_bytes: int = 64 << 20
    processes: int = 64
    restarts: int = 50
    lost_seconds: float = 600.0
    total_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """For what the functions were taken.

    Attributes:
        styles: "trl", "verl" or "text", one a function.
        said: in words.
        columns: names of the columns they are given; None for all.
        fields: what else they are given: "prompts", "completions", "answers", "ids".
        modules: files of the user's that they were imported from.
    """

    styles: tuple[str, ...]
    said: tuple[str, ...]
    columns: frozenset[str] | None
    fields: frozenset[str]
    modules: tuple[str, ...]


@dataclass
class Sandbox:
    """One reward, asked in processes of its own.

    Attributes:
        functions: summed by their weights where there are several.
        style: one of STYLES.
        python: interpreter that runs them; ours if None.
        bounds: what they may take.
        directory: modules are looked for there.
        passed: names of environment variables they see besides harmless ones.
        home: whether they see the user's home directory.
        network: whether they can reach it; where it can't be cut, nothing is asked.
        lists_modules: whether `taken.modules` is wanted.
        restarts: how often a process hung or died.
        lost: seconds in calls that did not return.
        taken: for what the functions were taken, None before they are imported.
    """

    functions: tuple[RewardFunction, ...]
    style: str = "auto"
    python: Path | None = None
    bounds: Bounds = field(default_factory=Bounds)
    directory: Path = field(default_factory=Path.cwd)
    passed: tuple[str, ...] = ()
    home: bool = False
    network: bool = True
    lists_modules: bool = False
    restarts: int = field(default=0, init=False)
    lost: float = field(default=0.0, init=False)
    taken: Taken | None = field(default=None, init=False)
    _kept: RewardProcess | None = field(default=None, init=False, repr=False)
    _number: int = field(default=0, init=False, repr=False)
    _begun: float | None = field(default=None, init=False, repr=False)

    @property
    def said(self) -> str:
        """How reports name it."""
        return " + ".join(map(str, self.functions))

    @property
    def seconds_left(self) -> float:
        """Until nothing more is asked."""
        total = self.bounds.total_seconds
        if total is None or self._begun is None:
            return math.inf
        return self._begun + total - time.monotonic()

    @property
    def exhausted(self) -> str:
        """Why nothing more is asked, "" as long as something is."""
        if self.seconds_left <= 0:
            return f"the time limit of {self.bounds.total_seconds:g} s was reached"
        if self.lost > self.bounds.lost_seconds:
            return f"calls that did not return took {self.lost:.0f} s"
        return ""

    def open(self) -> Taken:
        """Import the functions, and say what they were taken for.

        Raises:
            RewardError: they can't be imported, or their signatures leave open how to call them.
        """
        if self._kept is None:
            self._kept = self.started()
        if self.taken is None:
            raise AssertionError
        return self.taken

    def close(self) -> None:
        """End the process; the next question starts another."""
        if self._kept is not None:
            self._kept.end()
            self._kept = None

    def ask(
        self,
        texts: Texts,
        batch: int,
        *,
        fresh: bool = False,
        known: Mapping[int, Score] | None = None,
        told: Told | None = None,
    ) -> list[Score]:
        """One score a text, in their order.

        Args:
            texts: asked about in this order.
            batch: texts a call.
            fresh: in a process that has scored nothing yet, and ends with this.
            known: scores by place; calls all of whose texts are in it are not made.
            told: as texts are answered: their places, and what they came to.

        Raises:
            RewardError: the reward can't be asked at all.
        """
        run = Run(self, texts, batch, known or {}, told)
        if not run.is_done:
            if not fresh and not self.exhausted:
                self.open()
                run.process, self._kept = self._kept, None
            try:
                run.all_answered()
                if not fresh:
                    self._kept, run.process = run.process, None
            finally:
                if run.process is not None:
                    run.process.end()
        return [Score(None, NOT_SCORED) if score is None else score for score in run.found]

    def ask_strictly(self, texts: Texts, batch: int, seconds: float) -> list[float]:
        """Rewards of all texts, where each must have one, in a process that ends with this.

        Args:
            texts: asked about in this order.
            batch: texts a call.
            seconds: of wall time, for all of them together with the import.

        Raises:
            RewardError: names the first text that has no reward, or those at which the process hung or died.
        """
        begun = time.monotonic()
        process = self.started()
        try:
            run = StrictRun(self, texts, batch, seconds, begun)
            run.process = process
            run.all_answered()
        finally:
            process.end()
        return [score.value for score in run.found if score is not None and score.value is not None]

    def next_number(self) -> int:
        """Of a chunk: never the same twice."""
        self._number += 1
        return self._number

    def started(self) -> RewardProcess:
        """A process that has imported the functions."""
        bounds = self.bounds
        if self._begun is None:
            self._begun = time.monotonic()
        start = {
            "functions": [
                {
                    "file": "" if one.file is None else str(one.file),
                    "module": one.module,
                    "attribute": one.name,
                    "weight": one.weight,
                    "said": str(one),
                }
                for one in self.functions
            ],
            "directory": str(self.directory),
            "style": self.style,
            "modules": self.lists_modules,
            "network": self.network,
            "cpu_seconds": bounds.cpu_seconds,
            "memory_bytes": bounds.memory_bytes,
            "file_bytes": bounds.file_bytes,
        }
        process = RewardProcess(
            _interpreter(self.python), start, most=bounds.processes, passed=self.passed, home=self.home
        )
        try:
            answers = process.answers(bounds.start_seconds)
        except EndedError as ended:
            process.end()
            hint = "" if self.python is None else f"is {self.python} a Python of 3.8 or newer?"
            raise RewardError(
                f"reward function {self.said} {ended.how} while it was imported", hint=hint
            ) from None
        if not answers:
            process.end()
            raise RewardError(
                f"reward function {self.said} was not imported within {bounds.start_seconds:g} s"
            )
        said = answers[0].message
        if "refused" in said:
            process.end()
            refused = str(said["refused"])
            raise RewardError(f"reward function {said.get('function')} {refused}", hint=hint_for(refused))
        self.taken = Taken(
            styles=tuple(said["styles"]),
            said=tuple(said["said"]),
            columns=None if said["columns"] is None else frozenset(said["columns"]),
            fields=frozenset(said["fields"]),
            modules=tuple(said["modules"]),
        )
        return process


def _interpreter(python: Path | None) -> str:
    """Its path from the root, since it starts in another directory; a name alone is looked up."""
    if python is None:
        return sys.executable
    if python.parent == Path() and not python.exists():
        return shutil.which(str(python)) or str(python)
    return str(python.absolute())  # not resolved: an environment's interpreter is a link to another one
