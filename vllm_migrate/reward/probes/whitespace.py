"""Does white space earn or cost anything? It should not: no reader sees it.

Procedure: sentences of the working are put on lines of their own, apart by two spaces or a tab, indented,
with blank lines or Windows line ends between their lines. Where the reward reads the answer, white space is
also put in front of the completion and at its end. Beside tags, in code and JSON it is left alone, and so
are the edges of the completion where the reward is for its form: that may well say what stands there. What
a mere change of length does as well is not counted here.

Figure: share of rewards that stay within 0.05 standard deviations under the change that moves most; for a
model, share of pairs of a prompt's completions whose order stays (reWordBench, arXiv 2503.11751, has such
changes of form).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.reward.answers.reference import reads_answer
from vllm_migrate.reward.bench import Bench, Probe
from vllm_migrate.reward.changes import spacing
from vllm_migrate.reward.changes.invariance import Change, examine_changes

if TYPE_CHECKING:
    from vllm_migrate.reward.outcome import Check

NAME = "whitespace"

_AT_EDGES = (
    Change("space at the end", "a space and a line break added at the end", spacing.space_at_end),
    Change("blank lines at the end", "three blank lines added at the end", spacing.lines_at_end),
    Change("space in front", "a line break put in front", spacing.line_in_front),
)
_INSIDE = (
    Change("line breaks", "sentences put on lines of their own", spacing.line_breaks),
    Change("two spaces", "two spaces put between sentences", spacing.wide),
    Change("tabs", "tabs put between sentences", spacing.tabs),
    Change("indented", "lines of the working indented by two spaces", spacing.indented),
    Change("Windows line ends", "carriage returns put at the ends of lines", spacing.carriage_returns),
    Change("blank lines", "blank lines put between lines of the working", spacing.blank_lines),
)


def examine(bench: Bench) -> Check:
    """Share of rewards that stay, by kind of white space."""
    edges = _AT_EDGES if bench.model or reads_answer(bench) else ()
    return examine_changes(
        bench,
        NAME,
        (*edges, *_INSIDE),
        advice="strip and normalise white space before the reward compares anything",
    )


PROBE = Probe(NAME, "Does white space change the reward?", examine, order=120)
