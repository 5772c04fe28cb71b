"""Does an independent verifier agree with the reward on what is right?

Procedure: what each completion gives as its answer is found where answers are marked (a box, answer tags,
####, "Answer:", else the last number), and compared with the reference by a normaliser of our own; answers in
mathematics also by math-verify, where it is installed. Where they differ or can't be sure there is no
opinion. The reward says "right" above the middle of its range; of a reward with more than three levels, above
the level that tells the two best apart. A form that this reward never accepts (answers without a box, say) is
a demand of its own and left out, by name.

Figure: share of samples on which the two disagree, with an interval over prompts; it fails where the whole
interval lies beyond the limit. Also told: the table, and Cohen's kappa (J. Cohen, 1960). It applies to
rewards that look at the reference answer, or that separate right from wrong (AUC of at least 0.8).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vllm_migrate.reward.answers.reference import reads_answer
from vllm_migrate.reward.answers.same import final_of
from vllm_migrate.reward.answers.second import opinions_of
from vllm_migrate.reward.bench import Bench, Probe, limits_of
from vllm_migrate.reward.changes.cases import SHOWN, ending
from vllm_migrate.reward.figures import SEPARATES, auc_of, clustered_mean, judged
from vllm_migrate.reward.outcome import Check, Example, Outcome

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vllm_migrate.reward.answers.second import Opinion

NAME = "second-verifier"
FEWEST = 20
_FEWEST_OF_A_FORM = 3
_VERIFIER_LEVELS = 3
_MOST_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Table:
    """The reward against the second verifier, over samples both judge.

    Attributes:
        indices: of the samples, shape (samples,).
        right: whether the second verifier says so. `paid` whether the reward does.
        unread: forms that the reward never accepts, and how many right answers in them were left out.
    """

    indices: NDArray[np.int64]
    right: NDArray[np.bool_]
    paid: NDArray[np.bool_]
    unread: dict[str, int]

    @property
    def kappa(self) -> float:
        """Cohen's kappa; 1 where both say the same throughout."""
        agreed = float((self.right == self.paid).mean())
        by_chance = float(
            self.right.mean() * self.paid.mean() + (1 - self.right.mean()) * (1 - self.paid.mean())
        )
        return 1.0 if by_chance >= 1 else (agreed - by_chance) / (1 - by_chance)


def why_not(bench: Bench) -> str:
    """Why a reward can't be held against a second verifier; "" where it can."""
    if bench.model:
        return "a model's reward has no line between right and wrong"
    if not any(sample.answer is not None for sample in bench.samples):
        return "there are no reference answers"
    if len(bench.levels) < 2:  # noqa: PLR2004 - right and wrong
        return "rewards don't vary"
    if not opinions_of(bench):
        return "no answer could be compared with its reference"
    auc = _auc(bench)
    if not reads_answer(bench) and not auc >= SEPARATES:
        return "the reward does not look at the reference answer"
    if len(bench.levels) > _VERIFIER_LEVELS and not auc >= SEPARATES:
        return f"its {len(bench.levels)} levels don't separate right from wrong (AUC {auc:.2f})"
    return ""


def table_of(bench: Bench) -> Table | None:
    """The table; None where `why_not` says why."""
    if why_not(bench):
        return None
    scored = {i: opinion for i, opinion in opinions_of(bench).items() if np.isfinite(bench.values[i])}
    line = _line(bench, scored)
    right_in, paid_in = Counter[str](), Counter[str]()
    for index, opinion in scored.items():
        if opinion.right:
            right_in[opinion.form] += 1
            paid_in[opinion.form] += int(bench.values[index] > line)
    unread = {form: n for form, n in right_in.items() if n >= _FEWEST_OF_A_FORM and not paid_in[form]}
    if len(unread) == len(right_in):
        unread = {}  # it accepts nothing: that is no demand
    kept = [i for i, opinion in scored.items() if not (opinion.right and opinion.form in unread)]
    return Table(
        indices=np.array(kept, dtype=np.int64),
        right=np.array([scored[i].right for i in kept], dtype=np.bool_),
        paid=np.array([bench.values[i] > line for i in kept], dtype=np.bool_),
        unread=unread,
    )


def examine(bench: Bench) -> Check:
    """Share of samples on which the reward and the second verifier disagree."""
    table = table_of(bench)
    if table is None:
        return Check(NAME, Outcome.NOT_APPLICABLE, why_not(bench))
    count = len(table.indices)
    if count < FEWEST:
        message = f"{count} samples that both judge are too few; {FEWEST} are needed"
        return Check(NAME, Outcome.NOT_JUDGED, message)
    opinions = opinions_of(bench)
    differ = table.right != table.paid
    figure = clustered_mean(differ.astype(np.float64), bench.groups[table.indices], seed=bench.seed)
    limits = limits_of(bench, NAME)
    outcome = judged(limits, figure)
    missed, bought = int((table.right & ~table.paid).sum()), int((~table.right & table.paid).sum())
    message = f"they disagree on {missed + bought} of {count} samples"
    if missed or bought:
        message += f": {missed} right and not paid, {bought} wrong and paid"
    message += f" (kappa {table.kappa:.2f})"
    if table.unread:
        message += "; not read by this reward: " + ", ".join(
            f"{form} answers ({n})" for form, n in table.unread.items()
        )
    return Check(
        NAME,
        outcome,
        message,
        figure=figure,
        unit="share of samples they disagree on",
        count=count,
        counted="samples",
        limits=limits,
        worst=_worst(bench, table),
        parts={
            "right, paid": float((table.right & table.paid).mean()),
            "right, not paid": missed / count,
            "wrong, paid": bought / count,
            "wrong, not paid": float((~table.right & ~table.paid).mean()),
            "confirmed by math-verify": sum(opinions[i].both for i in table.indices.tolist()) / count,
        },
        advice=_advice(missed, bought) if outcome is not Outcome.PASS else "",
    )


def _advice(missed: int, bought: int) -> str:
    if bought >= missed:
        return "compare the answer that is given with the reference, whole, and nothing else in the text"
    return "compare values, not strings: see which right answers below were not paid"


def _auc(bench: Bench) -> float:
    """How surely right samples earn more than wrong ones, by the second verifier."""
    right, wrong = (
        bench.values[[i for i, opinion in opinions_of(bench).items() if opinion.right == said]]
        for said in (True, False)
    )
    return auc_of(right[np.isfinite(right)], wrong[np.isfinite(wrong)])


def _line(bench: Bench, scored: dict[int, Opinion]) -> float:
    """Above it the reward says "right"."""
    if len(bench.levels) <= _VERIFIER_LEVELS:
        return (bench.top + bench.bottom) / 2
    values = np.array([bench.values[i] for i in scored])
    right = np.array([opinion.right for opinion in scored.values()])
    lines = (bench.levels[1:] + bench.levels[:-1]) / 2
    agreed = [float((right == (values > line)).mean()) for line in lines]
    return float(lines[int(np.argmax(agreed))])


def _worst(bench: Bench, table: Table) -> tuple[Example, ...]:
    """Wrong ones that are paid and right ones that are not, in turn, of different prompts first."""
    bought = bench.in_turn(table.indices[~table.right & table.paid].tolist())
    missed = bench.in_turn(table.indices[table.right & ~table.paid].tolist())
    chosen = [index for pair in zip(bought, missed, strict=False) for index in pair]
    chosen += [*bought[len(missed) :], *missed[len(bought) :]]
    found = []
    for index in chosen[:_MOST_EXAMPLES]:
        sample, opinion = bench.samples[index], opinions_of(bench)[index]
        word = "right and not paid" if opinion.right else "wrong and paid"
        change = f"{word}: gives {opinion.given!r}, the reference is {final_of(sample.answer or '')!r}"
        found.append(
            Example(
                change=change,
                before=None,
                after=bench.scores[index].value,
                completion=ending(sample.completion),
                prompt=sample.prompt[-SHOWN:],
            )
        )
    return tuple(found)


PROBE = Probe(NAME, "Does an independent verifier agree on what is right?", examine, order=40)
