"""A user's reward, one function or a weighted sum, as a `Scorer`: what goes wrong is a fault of its text."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from vllm_migrate.reward.calling.journal import ScoreJournal, reward_key
from vllm_migrate.reward.calling.named_reward import RewardFunction
from vllm_migrate.reward.calling.sandbox import Bounds, Sandbox
from vllm_migrate.reward.calling.texts import texts_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from typing_extensions import Self

    from vllm_migrate.reward.calling.sandbox import Taken
    from vllm_migrate.reward.sample import Sample, Score


@dataclass
class FunctionScorer:
    """Asks one or several functions in a process of its own, which is kept until `close`.

    Attributes:
        function: the reward; several are summed by their weights.
        batch: completions a call where nothing else is asked for.
        style: one of `sandbox.STYLES`.
        python: interpreter that runs them; ours if None.
        bounds: what they may take.
        passed: names of environment variables they see besides harmless ones.
        home: whether they see the user's home directory.
        network: whether they can reach it.
        resume: directory in which scores are kept; what is there already is not asked about again.
    """

    function: RewardFunction | Sequence[RewardFunction]
    batch: int = 8
    style: str = "auto"
    python: Path | None = None
    bounds: Bounds = field(default_factory=Bounds)
    passed: tuple[str, ...] = ()
    home: bool = False
    network: bool = True
    resume: Path | None = None
    _sandbox: Sandbox = field(init=False, repr=False)
    _journal: ScoreJournal | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        functions = (self.function,) if isinstance(self.function, RewardFunction) else tuple(self.function)
        self._sandbox = Sandbox(
            functions,
            style=self.style,
            python=self.python,
            bounds=self.bounds,
            passed=self.passed,
            home=self.home,
            network=self.network,
            lists_modules=self.resume is not None,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def kind(self) -> str:
        """As in `RewardReport.kind`."""
        return "function" if len(self._sandbox.functions) == 1 else "weighted sum"

    def open(self) -> Taken:
        """Import the functions, and say what they were taken for.

        Raises:
            RewardError: they can't be imported, or their signatures leave open how to call them.
        """
        return self._sandbox.open()

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left undone, in words."""
        kept = () if self._journal is None else tuple(self._journal.notes)
        return (*kept, *([f"not everything was asked: {self.exhausted}"] if self.exhausted else []))

    @property
    def exhausted(self) -> str:
        """As `bench.BoundedScorer.exhausted`."""
        return self._sandbox.exhausted

    def close(self) -> None:
        """End the process, and let others have what was kept."""
        self._sandbox.close()
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def score(
        self, samples: Sequence[Sample], *, batch: int | None = None, fresh: bool = False
    ) -> list[Score]:
        """As `bench.Scorer.score`; every sample is asked about, whatever was asked before."""
        texts, size = texts_of(samples), batch or self.batch
        if self.resume is None:
            return self._sandbox.ask(texts, size, fresh=fresh)
        if self._journal is None:
            self._journal = ScoreJournal(self.resume, self._key())
        journal = self._journal
        call = journal.begin(texts, size, fresh=fresh)
        return self._sandbox.ask(
            texts, size, fresh=fresh, known=journal.known(call), told=partial(journal.keep, call)
        )

    def _key(self) -> str:
        """Of the journal: another one for another reward, or the same one asked in another way."""
        sandbox = self._sandbox
        files = {str(one.file) for one in sandbox.functions if one.file is not None}
        functions = [(str(one), one.weight) for one in sandbox.functions]
        bounds = replace(self.bounds, lost_seconds=0.0, total_seconds=None)  # more time makes no other reward
        settings = (functions, self.style, self.python, bounds, self.passed, self.home, self.network)
        return reward_key(settings, files.union(sandbox.open().modules))
