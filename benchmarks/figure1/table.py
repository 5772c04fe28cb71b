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

from arms import OBJECTIVES, V0, arms
from outcome import Curves, first_exit, interval, load, mean, resampled_spearman
from run import RESULTS

if TYPE_CHECKING:
    from collections.abc import Sequence

README = Path(__file__).resolve().parent / "README.md"
BEGIN, END = "<!-- table: written by table.py -->", "<!-- end of table -->"
UNITS = {"clip_rate": "clip rate", "kl_new_old": "KL", "entropy": "entropy", "reward": "reward"}
PREDICTORS = {
    "k2": "k2 against V0",
    "clip_rate": "zero-update clip rate",
    "verdict": "verdict, the reward check's included",
}
HARMS = {
    "whole reward": "loss of reward, mean of all steps",
    "final reward": "loss of reward, last five steps",
    "kl": "distance of log KL new/old from V0's",
    "entropy": "distance of entropy from V0's",
}
VERDICTS = ("PASS", "INCONCLUSIVE", "FAIL")
FEWEST = 4


def rows(objective: str) -> list[list[str]]:
    """One line an arm that has been trained."""
    kept, audits, guard = load(), _read("audits.json"), _read("guard.json")
    reference = kept.get((V0, objective))
    found = []
    for name in arms():
        curves = kept.get((name, objective))
        if curves is None or reference is None:
            continue
        audit = audits.get(f"{name}-{objective}")
        found.append([name, *_before(audit), *_during(curves, reference), _guarded(guard, curves)])
    return found


def _before(audit: dict[str, Any] | None) -> list[str]:
    if audit is None:
        return ["the reference", "", "", "", ""]
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


def _during(curves: Curves, reference: Curves) -> list[str]:
    value, low, high = interval(curves.final("reward"))
    whole, whole_low, whole_high = interval(curves.whole("reward"))
    left = None if curves is reference else first_exit(curves, reference)
    where = "-" if left is None else f"{left.step}, {UNITS[left.metric]} {'above' if left.above else 'below'}"
    rewards = None if curves is reference else first_exit(curves, reference, ("reward",))
    return [
        f"{value:.2f} ({low:.2f} to {high:.2f})",
        f"{whole:.2f} ({whole_low:.2f} to {whole_high:.2f})",
        where,
        "-" if rewards is None else f"{rewards.step}, {'above' if rewards.above else 'below'}",
    ]


def _guarded(guard: dict[str, Any], curves: Curves) -> str:
    """Steps at which runs were stopped, and by which boundary."""
    mine = [guard.get(f"{curves.arm}-{curves.objective}-{seed}") for seed in curves.seeds]
    known = [one for one in mine if one is not None]
    stops = [one["stop"] for one in known if one["stop"] is not None]
    if not known:
        return "not judged"
    if not stops:
        return f"none of {len(known)}"
    boundaries = sorted({one["boundary"] for one in known if one["stop"] is not None})
    span = f"{min(stops)}" if min(stops) == max(stops) else f"{min(stops)} to {max(stops)}"
    share = "" if len(stops) == len(known) else f", {len(stops)} of {len(known)} runs"
    return f"{span} ({', '.join(boundaries)}){share}"


def correlations(objective: str) -> list[tuple[str, str, int, tuple[float, float, float]]]:
    """Rank correlations of what the audit says with what training does, over all arms but the reference."""
    kept, audits = load(), _read("audits.json")
    reference = kept.get((V0, objective))
    names = [name for name in arms() if (name, objective) in kept and f"{name}-{objective}" in audits]
    if reference is None or len(names) < FEWEST:
        return []
    predicted = {
        "k2": [audits[f"{name}-{objective}"]["against_reference"]["k2"][0] for name in names],
        "clip_rate": [audits[f"{name}-{objective}"]["against_reference"]["clip_rate"][0] for name in names],
        "verdict": [float(VERDICTS.index(worst(audits[f"{name}-{objective}"]))) for name in names],
    }
    harms = {key: [harm(kept[name, objective], reference, key) for name in names] for key in HARMS}
    return [
        (PREDICTORS[one], HARMS[other], len(names), resampled_spearman(predicted[one], harms[other]))
        for one in PREDICTORS
        for other in HARMS
    ]


def worst(audit: dict[str, Any]) -> str:
    """The graver of the audit's verdict and its reward check's."""
    check = audit["reward_check"]
    verdicts = [audit["verdict"], "PASS" if check is None else check["verdict"]]
    return max(verdicts, key=VERDICTS.index)


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
    head = (
        "arm",
        "audit",
        "cause named first",
        "k2",
        "zero-update clip",
        "reward check",
        "final reward",
        "mean reward",
        "left V0's band",
        "reward left it",
        "guard stopped",
    )
    parts = []
    for objective in OBJECTIVES:
        found = rows(objective)
        if not found:
            continue
        parts += [f"### {objective.upper()}", "", _line(head), _line(["---"] * len(head))]
        parts += [_line(row) for row in found]
        parts.append("")
        ranked = correlations(objective)
        if ranked:
            parts += [
                (
                    "Spearman's rank correlation of what the audit says with what training does, over "
                    f"{ranked[0][2]} arms (95% interval, resampled over arms and seeds):"
                ),
                "",
                _line(["", *HARMS.values()]),
                _line(["---"] * (len(HARMS) + 1)),
            ]
            for name in PREDICTORS.values():
                cells = [_correlation(value) for one, _, _, value in ranked if one == name]
                parts.append(_line([name, *cells]))
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
