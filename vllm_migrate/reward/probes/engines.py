"""Does the model say the same in the engines that serve it? What the pooling engines do by default changed.

Procedure: the same samples are scored by transformers (logits), by V0's and by V1's pooling engine where they
are named, each as it starts by default or with the arguments given; a few of them one at a time; by
transformers padded on the left; by the engines without the activation that they put behind the head; and by
V1 in V0's dtype, and with its head in the model's dtype, where those differ.

Figure: share of the pairs of one prompt's completions that two servers order differently, of the two servers
that differ most; a pair that only one of them orders counts, one within 0.02 standard deviations in both does
not. It fails where the whole interval over prompts is beyond the limit. Where the order stays and the values
don't, that is a warning: a sum of rewards, a clip or a fixed baseline sees it.

Known causes: V0 0.8.5 applies a softmax to the head's output also where there is one label, which makes every
reward 1; V1 applies a sigmoid to one label, a softmax to several. V0's head computes in the model's dtype,
V1's in float32. Both engines round a float32 checkpoint to 16 bits. Transformers takes the last token that is
no padding: where the padding token is also the one that ends a text, that is the token before it, and the
engines take the end itself.

Settings that restore parity: `override_pooler_config=PoolerConfig(softmax=False)` in V0,
`pooler_config=PoolerConfig(use_activation=False)` in V1 (its `runner="pooling"` is V0's `task="classify"`),
the same `dtype` in both, and `hf_overrides={"head_dtype": "model"}` in V1 for a head that computes as V0's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.reward import served as by
from vllm_migrate.reward.bench import Bench, Probe, limits_of
from vllm_migrate.reward.figures import judged
from vllm_migrate.reward.outcome import Check, Example, Outcome
from vllm_migrate.reward.sample import TIE
from vllm_migrate.reward.scorer import ServedScorer
from vllm_migrate.reward.served import compared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.reward.outcome import Limits
    from vllm_migrate.reward.served import Compared, Served

NAME = "engines"
VALUES = 0.05  # standard deviations: the margin of equivalence everywhere in these probes
_SHOWN = 300
_MOST_EXAMPLES = 5


def examine(bench: Bench) -> Check:
    """The pair of servers that differ most, why, and what makes them agree."""
    if not bench.model:
        return Check(NAME, Outcome.NOT_APPLICABLE, "a function is not served by an engine")
    served = bench.scorer.served(bench.samples) if isinstance(bench.scorer, ServedScorer) else ()
    default = [one for one in served if one.way == by.DEFAULT]
    if len(default) < 2:  # noqa: PLR2004 - a comparison takes two
        return Check(NAME, Outcome.NOT_APPLICABLE, "no engine was named to serve the model, V0 or V1")
    pairs = [(first, other) for place, first in enumerate(default) for other in default[place + 1 :]]
    rows = [(first, other, _compared(bench, first, other)) for first, other in pairs]
    limits = limits_of(bench, NAME)
    first, other, worst = max(rows, key=lambda row: (row[2].turned.value, row[2].of_spread))
    if not worst.texts:
        return Check(NAME, Outcome.NOT_JUDGED, "no text has a reward by two servers")
    outcome = _outcome(limits, worst)
    if outcome is Outcome.PASS and any(_outcome(limits, row) is not Outcome.PASS for *_, row in rows):
        outcome = Outcome.WARN
    parts = {f"{one.server} and {two.server}": row.turned.value for one, two, row in rows}
    parts |= _beside(bench, served)
    mended, bare = _bare(bench, served, first, other)
    parts |= bare
    turned = f"order {worst.turned.value:.1%} of {worst.pairs} pairs differently"
    message = f"{first.server} and {other.server} {turned}; their rewards are {worst.difference:.2g} apart"
    causes = _causes(served, first, other)
    if outcome is not Outcome.PASS:
        message += "".join(f"; {cause}" for cause in causes)
        if mended is not None:
            message += f"; without: {mended.turned.value:.1%}, {mended.difference:.2g} apart"
    return Check(
        NAME,
        outcome,
        message,
        figure=worst.turned,
        unit="share of pairs ordered differently",
        count=worst.pairs,
        counted="pairs",
        limits=limits,
        worst=_worst(bench, first, other) if outcome is not Outcome.PASS else (),
        parts=parts,
        advice=_advice(first, other, causes) if outcome is not Outcome.PASS else "",
    )


def _compared(bench: Bench, first: Served, other: Served) -> Compared:
    count = min(len(first.rewards), len(other.rewards))
    return compared(first.rewards[:count], other.rewards[:count], bench.groups[:count], seed=bench.seed)


def _outcome(limits: Limits, row: Compared) -> Outcome:
    outcome = judged(limits, row.turned)
    return Outcome.WARN if outcome is Outcome.PASS and row.of_spread > VALUES else outcome


def _beside(bench: Bench, served: Sequence[Served]) -> dict[str, float]:
    """Each server against itself: other batches, other padding, other precision; in mean differences."""
    found = {}
    for one in served:
        if one.way in (by.ALONE, by.LEFT):
            usual = next(two for two in served if two.side == one.side and two.way == by.DEFAULT)
            found[f"{one.server}, {one.way}, turned"] = _compared(bench, usual, one).turned.value
        if one.way in (by.DTYPE, by.HEAD):
            bare = _without(served, one.side)
            found[f"{one.server}, {one.way}, turned"] = _compared(bench, bare, one).turned.value
    return found


def _without(served: Sequence[Served], side: str) -> Served:
    """A server's bare logits."""
    ways = {one.way: one for one in served if one.side == side}
    return ways.get(by.BARE, ways[by.DEFAULT])


def _bare(
    bench: Bench, served: Sequence[Served], first: Served, other: Served
) -> tuple[Compared | None, dict[str, float]]:
    """The same two without activation; None where neither has one."""
    one, two = _without(served, first.side), _without(served, other.side)
    if by.BARE not in (one.way, two.way):
        return None, {}
    row = _compared(bench, one, two)
    return row, {f"{first.server} and {other.server}, {by.BARE}": row.turned.value}


def _causes(served: Sequence[Served], first: Served, other: Served) -> list[str]:
    """What differs between two servers, by what their workers read from live objects."""
    found = []
    for one in (first, other):
        activation = one.settings.get("activation", "none")
        if activation == "none":
            continue
        if float(np.nanmax(one.rewards) - np.nanmin(one.rewards)) <= TIE:
            found.append(f"{one.server} applies {activation} to one label, which makes every reward the same")
        else:
            found.append(f"{one.server} applies {activation}")
    for name, words in (("dtype", "computes in"), ("head_dtype", "has its head in")):
        values = [str(one.settings.get(name, "")) for one in (first, other)]
        if values[0] != values[1]:
            found.append(f"{first.server} {words} {values[0]}, {other.server} in {values[1]}")
    if first.digests != other.digests and len(first.digests) == len(other.digests):
        found.append("their tokenizers give other token ids for the same texts")
    reference = next((one for one in served if one.side == by.REFERENCE), None)
    if reference is not None and by.REFERENCE in (first.side, other.side) and not found:
        pad, end = (reference.settings.get(name) for name in ("pad_token_id", "eos_token_id"))
        if pad is not None and pad == end:
            found.append("transformers skips an end token that is also the padding token")
    return found


def _advice(first: Served, other: Served, causes: Sequence[str]) -> str:
    """Settings that restore parity."""
    said = []
    for one in (first, other):
        if one.settings.get("activation", "none") == "none":
            continue
        if one.side == by.V0:
            said.append(f"{one.server}: override_pooler_config=PoolerConfig(softmax=False)")
        elif one.side == by.V1:
            said.append(f"{one.server}: pooler_config=PoolerConfig(use_activation=False)")
    dtypes = [str(one.settings.get("dtype")) for one in (first, other)]
    if dtypes[0] != dtypes[1]:
        said.append(f'the same dtype in both, as dtype="{dtypes[0]}"')
    if first.settings.get("head_dtype") != other.settings.get("head_dtype"):
        side = next((one for one in (first, other) if one.side == by.V1), None)
        if side is not None and side.settings.get("head_dtype") != side.settings.get("dtype"):
            said.append(f'{side.server}: hf_overrides={{"head_dtype": "model"}}')
    return "; ".join(said) or ("" if causes else "train and score with one server")


def _worst(bench: Bench, first: Served, other: Served) -> tuple[Example, ...]:
    """Texts whose place among all changes most."""
    count = min(len(first.rewards), len(other.rewards))
    usable = np.flatnonzero(np.isfinite(first.rewards[:count]) & np.isfinite(other.rewards[:count]))
    ranks = [np.argsort(np.argsort(one.rewards[usable], kind="stable")) for one in (first, other)]
    order = usable[np.argsort(-np.abs(ranks[0] - ranks[1]), kind="stable")][:_MOST_EXAMPLES]
    return tuple(
        Example(
            change=f"{first.server}, then {other.server}",
            before=float(first.rewards[index]),
            after=float(other.rewards[index]),
            completion=bench.samples[index].completion[:_SHOWN],
            prompt=bench.samples[index].prompt[-_SHOWN:],
        )
        for index in order
    )


PROBE = Probe(NAME, "Do the engines score alike?", examine, order=25)
