"""Does layout earn or cost anything? The same words, as a list or in bold type, say the same.

Procedure: the working before the answer is restyled: sentences become the items of a list or numbered
steps, a header is put above them, their first words are set in bold type, markdown is taken away where
there is some; a hyphen becomes a minus sign (U+2212), an apostrophe a typographic one, formulas get thin
spaces, full stops at the ends of lines come or go. The answer and its frame, tags, code, JSON and labels
are left alone: a reward for a structure that was asked for pays for no layout as long as restyling inside
that structure changes nothing. What a mere change of length does as well is not counted here. For a model,
the answer's box is also made a header, and the other way round; a function may rightly read one of both
only.

Figure: share of rewards that stay within 0.05 standard deviations under the change that moves most; for a
model, share of pairs of a prompt's completions whose order stays. Swapping a box for a header took a reward
model from above 95% to 73% in reWordBench (arXiv 2503.11751); RM-Bench (arXiv 2410.16184) measures the same
with markdown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.reward.bench import Bench, Probe
from vllm_migrate.reward.changes import restyle
from vllm_migrate.reward.changes.invariance import Change, examine_changes, unless_penalty

if TYPE_CHECKING:
    from vllm_migrate.reward.outcome import Check

NAME = "format"

_CHANGES = (
    Change("bullets", "sentences made the items of a list", restyle.bullets),
    Change("numbered steps", "sentences made numbered steps", restyle.numbered),
    Change("header", "a header put above the working", restyle.header),
    Change("bold", "the first words of sentences set in bold type", restyle.bold),
    Change("markdown removed", "markers of lists and headers and emphasis taken away", restyle.plain),
    Change("minus sign", "hyphens in the working made minus signs (U+2212)", restyle.minus),
    Change("apostrophes", "straight apostrophes made typographic ones", restyle.apostrophes),
    Change("LaTeX spacing", "thin spaces put around the operators of formulas", restyle.latex_spacing),
    Change("full stops", "full stops at the ends of lines taken away or added", restyle.periods),
)
_OF_MODELS = (
    Change("box or header", "the answer's box made a header, or its line a box", restyle.boxed_or_header),
)


def examine(bench: Bench) -> Check:
    """Share of rewards that stay, by kind of restyling."""
    check = examine_changes(
        bench,
        NAME,
        (*_CHANGES, *_OF_MODELS) if bench.model else _CHANGES,
        advice="a policy learns the layout that pays: take markdown and typography away before the reward "
        'reads the text, or leave this out (ignore = ["format"]) where that layout is what you want',
    )
    return unless_penalty(bench, check)


PROBE = Probe(NAME, "Does layout change the reward?", examine, order=122)
