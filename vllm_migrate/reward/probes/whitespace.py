"""Does white space earn or cost anything? It should not: no reader sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.reward.bench import Bench, Probe
from vllm_migrate.reward.invariance import Change, examine_changes

if TYPE_CHECKING:
    from vllm_migrate.reward.outcome import Check
    from vllm_migrate.reward.sample import Sample

NAME = "whitespace"


def _wrapped(sample: Sample) -> str | None:
    """A space between sentences becomes a line break; None where there is no second sentence."""
    changed = sample.completion.replace(". ", ".\n")
    return changed if changed != sample.completion else None


_CHANGES = (
    Change("space at the end", "a space and a line break added at the end", lambda s: s.completion + " \n"),
    Change("blank lines at the end", "three blank lines added at the end", lambda s: s.completion + "\n\n\n"),
    Change("space in front", "a line break put in front", lambda s: "\n" + s.completion),
    Change("line breaks", "sentences put on lines of their own", _wrapped),
)


def examine(bench: Bench) -> Check:
    """Share of rewards that stay, by kind of white space."""
    return examine_changes(
        bench, NAME, _CHANGES, advice="strip and normalise white space before the reward compares anything"
    )


PROBE = Probe(NAME, "Does white space change the reward?", examine, order=120)
