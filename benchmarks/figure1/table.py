"""The table that matters: what the audit said before, what training did, when the guard stopped it.

python benchmarks/figure1/table.py             # prints it, from the committed results
python benchmarks/figure1/table.py --readme    # puts it into README.md

"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from arms import OBJECTIVES, REPAIRED, V0, arms
from outcome import Curves, interval, load, mean, resampled_spearman
from run import RESULTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

README = Path(__file__).resolve().parent / "README.md"
BEGIN, END = "<!-- table: written by table.py -->", "<!-- end of table -->"
TOLD = {"kl_old": "KL", "clip_rate": "clip rate", "entropy": "entropy", "reward": "reward"}
"""The figure's metrics as `watch` calls them, and as the table does."""
HARMS = {
    "whole reward": "loss of reward, mean of all steps",
    "final reward": "loss of reward, last five steps",
    "kl": "distance of log KL new/old from V0's",
    "entropy": "distance of entropy from V0's",
}
VERDICTS = ("PASS", "INCONCLUSIVE", "FAIL")
FEWEST = 4
RANKS = (
    "Spearman's rank correlation of what the audit says with what training does (95% interval, resampled "
    "over arms and seeds):"
)
SOLVED = {"zero_variance_groups", "advantage_zero"}
"""What the guard warns of in every arm once most answers are right: groups that teach nothing more."""


def rows(objective: str) -> tuple[list[list[str]], list[list[str]]]:
    """Of each trained arm: what was said before and what became of the reward; who noticed what when."""
    kept, audits, guard, watched = (load(), *map(_read, ("audits.json", "guard.json", "watch.json")))
    before, after = [], []
    for name in arms():
        curves = kept.get((name, objective))
        if curves is None:
            continue
        key = f"{name}-{objective}"
        said = ["the reference", "", "", "", ""] if name == V0 else _before(audits.get(key))
        before.append([name, *said, *map(_interval, (curves.final("reward"), curves.whole("reward")))])
        left = [watched.get(f"{key} against {other}") for other in (V0, REPAIRED)]
        after.append(
            [
                name,
                _left(left[0], TOLD),
                _left(left[0], ("reward",)),
                _left(left[1], TOLD),
                *_guarded(guard, curves),
            ]
        )
    return before, after


def _before(audit: dict[str, Any] | None) -> list[str]:
    if audit is None:
        return ["not audited", "", "", "", ""]
    against = audit["against_reference"]
    check = audit["reward_check"]
    told = "-" if check is None else ": ".join([check["verdict"], *check["failed"]])
    return [
        audit["verdict"] or "none",
        audit["cause"],
        f"{against['k2'][0]:.1e}",
        f"{against['clip_rate'][0]:.1%}",
        told,
    ]


def _interval(values: Sequence[float]) -> str:
    value, low, high = interval(values)
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


def _left(watched: dict[str, Any] | None, metrics: Iterable[str]) -> str:
    """The first of these metrics told to have left a reference for the worse, when, and by how much."""
    if watched is None:
        return ""
    left = watched["left"]
    met = [name for name in metrics if name in left and left[name]["worse"] is not False]
    if not met:
        return "never"
    name = min(met, key=lambda one: left[one]["seen"])
    return f"{left[name]['seen']:.0f}: {TOLD[name]} {left[name]['size']:+.2g}"


def _guarded(guard: dict[str, Any], curves: Curves) -> tuple[str, str]:
    """When runs were first warned of anything but groups that teach nothing, when stopped, and by what."""
    mine = [guard.get(f"{curves.arm}-{curves.objective}-{seed}") for seed in curves.seeds]
    known = [one for one in mine if one is not None]
    if not known:
        return "not judged", "not judged"
    first = [
        min(
            ((step, name) for name, (step, _) in one["crossed"].items() if name not in SOLVED),
            key=lambda met: met[0],  # of several at one step the first, which is the earliest of its stages
            default=None,
        )
        for one in known
    ]
    stopped = [None if one["stop"] is None else (one["stop"], one["boundary"]) for one in known]
    return _when(first), _when(stopped)


def _when(runs: Sequence[tuple[int, str] | None]) -> str:
    """Steps and boundaries, and in how many runs; "none of 3" where there are none."""
    met = [one for one in runs if one is not None]
    if not met:
        return f"none of {len(runs)}"
    steps = [step for step, _ in met]
    span = f"{min(steps)}" if min(steps) == max(steps) else f"{min(steps)} to {max(steps)}"
    share = "" if len(met) == len(runs) else f", {len(met)} of {len(runs)} runs"
    return f"{span} ({', '.join(sorted({name for _, name in met}))}){share}"


def correlations(objective: str) -> list[tuple[str, int, list[tuple[float, float, float]]]]:
    """Rank correlations of what the audit says with what training does, over all arms but the reference.

    Of each prediction its name, how many arms were ranked, and the correlation with each kind of harm.
    """
    kept, audits = load(), _read("audits.json")
    reference = kept.get((V0, objective))
    every = [name for name in arms() if (name, objective) in kept and f"{name}-{objective}" in audits]
    if reference is None or len(every) < FEWEST:
        return []
    found = []
    for words, told in PREDICTORS.items():
        names = [name for name in every if words != SAME_REWARD or not arms()[name].pays_length]
        predicted = [told(audits[f"{name}-{objective}"]) for name in names]
        harms = [[harm(kept[name, objective], reference, kind) for name in names] for kind in HARMS]
        found.append((words, len(names), [resampled_spearman(predicted, one) for one in harms]))
    return found


def worst(audit: dict[str, Any]) -> str:
    """The graver of the audit's verdict and its reward check's."""
    check = audit["reward_check"]
    verdicts: list[str] = [audit["verdict"], "PASS" if check is None else check["verdict"]]
    return max(verdicts, key=VERDICTS.index)


def _k2(audit: dict[str, Any]) -> float:
    return float(audit["against_reference"]["k2"][0])


SAME_REWARD = "k2 against V0, without `length-reward`"
PREDICTORS: dict[str, Callable[[dict[str, Any]], float]] = {
    "k2 against V0": _k2,
    SAME_REWARD: _k2,
    "verdict, the reward check's included": lambda audit: float(VERDICTS.index(worst(audit))),
}


def harm(curves: Curves, reference: Curves, kind: str) -> list[float]:
    """What went wrong in each seed of an arm, beside the reference's mean."""
    if kind == "whole reward":
        return [mean(reference.whole("reward")) - value for value in curves.whole("reward")]
    if kind == "final reward":
        return [mean(reference.final("reward")) - value for value in curves.final("reward")]
    if kind == "entropy":
        return [abs(value - mean(reference.whole("entropy"))) for value in curves.whole("entropy")]
    usual = mean([math.log(value) for value in reference.whole("kl_new_old")])
    return [abs(math.log(value) - usual) for value in curves.whole("kl_new_old")]


def markdown() -> str:
    """Everything, as it stands in README.md."""
    before_head = (
        "arm",
        "audit",
        "cause named first",
        "k2",
        "zero-update clip",
        "reward check",
        "final reward",
        "mean reward",
    )
    after_head = (
        "arm",
        "left V0 for the worse",
        "its reward did",
        "left `v1-rewritten` for the worse",
        "guard warned",
        "guard stopped",
    )
    parts = []
    for objective in OBJECTIVES:
        before, after = rows(objective)
        if not before:
            continue
        parts += [f"### {objective.upper()}", ""]
        for head, found in ((before_head, before), (after_head, after)):
            parts += [_line(head), _line(["---"] * len(head)), *map(_line, found), ""]
        ranked = correlations(objective)
        if ranked:
            heading = ("", "arms", *HARMS.values())
            parts += [RANKS, "", _line(heading), _line(["---"] * len(heading))]
            parts += [
                _line([words, str(count), *map(_correlation, values)]) for words, count, values in ranked
            ]
            parts.append("")
    return "\n".join(parts)


def _correlation(value: tuple[float, float, float]) -> str:
    return f"{value[0]:.2f} ({value[1]:.2f} to {value[2]:.2f})"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _read(name: str) -> dict[str, Any]:
    path = RESULTS / name
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def with_table(page: str) -> str:
    """The page with its table written anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{markdown()}\n{END}{after}"


def main() -> int:
    """Print the table or put it into the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else "")
    parser.add_argument("--readme", action="store_true")
    if parser.parse_args().readme:
        README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(markdown())
    return 0


if __name__ == "__main__":
    sys.exit(main())
