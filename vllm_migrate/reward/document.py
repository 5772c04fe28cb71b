"""What the probes ask, for people: the list, a probe's page, and the second half of docs/rewards.md.

`python -m vllm_migrate.reward.document docs/rewards.md` writes that half anew from the probes' own words;
what stands above its mark is written by hand.
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from vllm_migrate.reward.limits import shipped_limits
from vllm_migrate.reward.registry import all_probes, selected

if TYPE_CHECKING:
    from vllm_migrate.reward.bench import Probe
    from vllm_migrate.reward.outcome import Limits

MARK = "<!-- From here on made from the probes: python -m vllm_migrate.reward.document docs/rewards.md -->"
_WIDTH = 80
_INDENT = "    "
_LABEL = re.compile(r"^(Procedure|Figure|Formula|Source|Sources|Limits):", re.MULTILINE)


def listed() -> str:
    """Every probe with its question, its limits and where these come from, 80 columns wide."""
    said = []
    for probe in all_probes():
        limits = shipped_limits().get(probe.name)
        lines = [f"{probe.name}: {probe.question}"]
        if limits is not None:
            lines += textwrap.wrap(
                f"{limit_words(limits)}; {limits.source}",
                _WIDTH,
                initial_indent=_INDENT,
                subsequent_indent=_INDENT,
            )
        said.append("\n".join(lines) + "\n")
    return "".join(said)


def explained(name: str) -> str:
    """A probe's page, as it stands in docs/rewards.md.

    Raises:
        UsageError: there is no probe of that name.
    """
    selected([name], ())
    return section(next(probe for probe in all_probes() if probe.name == name)) + "\n"


def section(probe: Probe) -> str:
    """What a probe asks and how, in Markdown: its module's own words, and its limits."""
    words = inspect.cleandoc(sys.modules[probe.examine.__module__].__doc__ or "").strip()
    parts = [f"### {probe.name}", f"*{probe.question}*", _LABEL.sub(r"**\1:**", words)]
    limits = shipped_limits().get(probe.name)
    if limits is not None:
        said = f"**Limits:** {limit_words(limits)}; {limits.source}."
        parts.append(textwrap.fill(said, 120, break_long_words=False, break_on_hyphens=False))
    return "\n\n".join(parts) + "\n"


def limit_words(limits: Limits) -> str:
    """From where a figure is a warning and from where a failure: "warn above 0.3, fail above 0.45"."""
    side = "above" if limits.above else "below"
    pairs = (("warn", limits.warn), ("fail", limits.fail))
    return ", ".join(f"{name} {side} {at:g}" for name, at in pairs if at is not None)


def page(old: str) -> str:
    """The page with everything behind the mark made anew.

    Raises:
        ValueError: it has no mark.
    """
    by_hand, mark, _ = old.partition(MARK)
    if not mark:
        raise ValueError(f"the page has no line {MARK!r}")
    return f"{by_hand}{MARK}\n\n" + "\n".join(section(probe) for probe in all_probes())


if __name__ == "__main__":
    _target = Path(sys.argv[1])
    _target.write_text(page(_target.read_text(encoding="utf-8")), encoding="utf-8")
