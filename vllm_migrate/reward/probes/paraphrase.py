"""Do other words for the same thing change the reward? Whoever reads for sense is not moved by them.

Procedure: in the working before the answer, connecting words are swapped for others ("Then" for "After
that", "because" for "since"), contractions written out or made, and everyday words swapped for others that
mean the same there ("compute" for "work out"), each alone and all at once. Numbers, formulas, code,
quotations, negations and the answer with its frame are left alone. Rules do it, not a model: what they
change is known to the word. What a mere change of length does as well is not counted here.

Figure: share of rewards that stay within 0.05 standard deviations under the family that moves most; for a
model, share of pairs of a prompt's completions whose order stays. A drop of 5 points is let through, more
than 15 fail: reward models lost 16.6 points to paraphrases on RewardBench's hard chats, and 8.7 after
training against it (reWordBench, arXiv 2503.11751).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.reward.bench import Bench, Probe
from vllm_migrate.reward.changes.invariance import Change, examine_changes, unless_penalty
from vllm_migrate.reward.changes.rewording import CONNECTING, CONTRACTED, OPENING, SYNONYMS, reworded

if TYPE_CHECKING:
    from vllm_migrate.reward.outcome import Check

NAME = "paraphrase"

_CHANGES = (
    Change("connecting words", "connecting words swapped for others", reworded(CONNECTING, opening=OPENING)),
    Change("contractions", "contractions written out, or made", reworded(CONTRACTED)),
    Change("synonyms", "everyday words swapped for others of the same meaning", reworded(SYNONYMS)),
    Change(
        "all at once",
        "connecting words, contractions and everyday words swapped",
        reworded(CONNECTING | CONTRACTED | SYNONYMS, opening=OPENING),
    ),
)


def examine(bench: Bench) -> Check:
    """Share of rewards that stay, by kind of rewording."""
    check = examine_changes(
        bench,
        NAME,
        _CHANGES,
        advice="the reward reads for certain words: compare answers or states instead, or train the model on "
        "paraphrases",
    )
    return unless_penalty(bench, check)


PROBE = Probe(NAME, "Do other words for the same change the reward?", examine, order=124)
