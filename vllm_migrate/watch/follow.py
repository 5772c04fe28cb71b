"""Looks at runs in progress: as often as asked, judged as often as is honest.

Whoever tests at every look is sooner or later alarmed by noise. So the runs are judged each time that the
candidate has grown by a quarter, and look j has 1 / (j (j + 1)) of the level: all looks together stay below
it, and the last one has what is left (1 / j).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vllm_migrate.statistics.verdict import Verdict
from vllm_migrate.watch.compare import compare
from vllm_migrate.watch.find import names_of, open_runs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vllm_migrate.watch.compare import Settings
    from vllm_migrate.watch.find import RunLog
    from vllm_migrate.watch.result import WatchReport
    from vllm_migrate.watch.run import Run

GROWTH = 1.25
"""By how much the candidate has to have grown until it is judged again."""


def share_of_look(look: int, *, last: bool = False) -> float:
    """Share of the level for a look, counted from 1; the last look has what all before it left."""
    return 1 / look if last else 1 / (look * (look + 1))


@dataclass
class Watch:
    """The runs of both sides, and how to compare them.

    Attributes:
        references, candidates: paths and patterns.
        step: name of the step, where one was given.
    """

    references: Sequence[str]
    candidates: Sequence[str]
    settings: Settings
    step: str = ""

    def __post_init__(self) -> None:
        self._references: list[RunLog] = []
        self._candidates: list[RunLog] = []
        self._look = 0
        self._judged_at = 0

    def read(self, *, complete: bool) -> tuple[list[Run], list[Run]]:
        """The runs as they are now.

        Args:
            complete: whether nobody writes any more; the end of a file is then taken as it is.

        Raises:
            InputError: there is no log at a path, or it can't be read.
        """
        if not self._references:
            self._references = open_runs(self.references, step=self.step)
        self._candidates = self._candidates or open_runs(self.candidates, step=self.step)
        sides = []
        for logs in (self._references, self._candidates):
            for log in logs:
                log.update()
                if complete:
                    log.close()
            sides.append([log.run(name) for log, name in zip(logs, names_of(logs), strict=True)])
        return sides[0], sides[1]

    def once(self) -> WatchReport:
        """Compare what is there, with the whole level."""
        references, candidates = self.read(complete=True)
        return compare(references, candidates, self.settings)

    def follow(
        self,
        *,
        every: float,
        told: Callable[[WatchReport], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> WatchReport:
        """Compare as the candidate grows, until it has ended, has left, or the user interrupts.

        Args:
            every: seconds between readings.
            told: is given the report of each look.
            sleep: waits.

        Returns:
            The report of the last look; it is made of what is there when the user interrupts, too.

        Raises:
            InputError: a log can't be read.
        """
        try:
            while True:
                references, candidates = self.read(complete=False)
                if all(run.finished for run in candidates):
                    return self._last(references, candidates)
                points = _points(candidates)
                if points >= max(1.0, GROWTH * self._judged_at):
                    self._judged_at = points
                    report = self._compare(references, candidates, share_of_look(self._look + 1))
                    if report.verdict is not None or report.reason == "step-units":
                        self._look += 1
                        told(report)
                    if report.verdict is Verdict.FAIL:
                        return report
                sleep(every)
        except KeyboardInterrupt:
            references, candidates = self.read(complete=True)
            return self._last(references, candidates)

    def _last(self, references: list[Run], candidates: list[Run]) -> WatchReport:
        return self._compare(references, candidates, share_of_look(self._look + 1, last=True))

    def _compare(self, references: list[Run], candidates: list[Run], share: float) -> WatchReport:
        report = compare(references, candidates, self.settings, look=self._look + 1, share=share)
        return replace(report, look=self._look + 1)


def _points(runs: Sequence[Run]) -> int:
    """Steps of the shortest run."""
    return min(max((len(one.steps) for one in run.series.values()), default=0) for run in runs)
