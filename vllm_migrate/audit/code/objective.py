"""The objective and its clip range, where user code or its settings name them."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from vllm_migrate.audit.code.settings import why_not
from vllm_migrate.audit.code.taken import Fate, Setting
from vllm_migrate.audit.code.values import agreed
from vllm_migrate.files.located import UNRESOLVED
from vllm_migrate.objective import CISPO, GRPO, GSPO, PPO
from vllm_migrate.resolve.flow.values import Place, Scalar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import PurePosixPath

    from vllm_migrate.audit.code.settings import Given
    from vllm_migrate.audit.code.values import Answers
    from vllm_migrate.files.yaml_tree import YamlNode

# What trainers call the two sides of the range and the loss. `epsilon` alone is left out: it is Adam's, too.
_LOW = (
    "clip_ratio_low", "eps_clip_low", "clip_range_low", "clip_ratio", "clip_eps", "eps_clip", "clip_range",
    "cliprange", "clip_epsilon", "clip_coef", "ppo_clip", "ratio_clip_min",
)  # fmt: skip
_HIGH = ("clip_ratio_high", "eps_clip_high", "clip_range_high", "clip_eps_high", "ratio_clip_max")
_LOSS = ("loss_mode", "policy_loss_type", "loss_type", "importance_sampling_level")
_LOSSES = {
    "vanilla": PPO,
    "ppo": PPO,
    "grpo": GRPO,
    "bnpo": GRPO,
    "dr_grpo": GRPO,
    "dapo": GRPO,
    "token": "",
    "gspo": GSPO,
    "luspo": GSPO,
    "sequence": GSPO,
    "cispo": CISPO,
}
_OPTION = re.compile(rb"add_argument\(")


def of_trl(given: Iterable[Given]) -> Iterator[Setting]:
    """The objective as TRL's fields say it; TRL's `epsilon_high` for CISPO is the cap itself, 1 + high."""
    fields = {name: (value, written, at) for name, value, written, at in given}
    loss, level = _text(fields.get("loss_type")), _text(fields.get("importance_sampling_level"))
    name = _LOSSES.get(loss, "") or GRPO
    if level == "sequence" and name is GRPO:
        name = GSPO
    source = "importance_sampling_level" if level == "sequence" else "loss_type"
    if source in fields:
        value, written, at = fields[source]
        yield Setting("objective", source, Fate.TAKEN, name, written, value.place, at, "objective")
    for field, option in (("epsilon", "clip_range"), ("epsilon_high", "clip_range_high")):
        if field not in fields or (name is CISPO and field == "epsilon"):
            continue
        value, written, at = fields[field]
        if isinstance(value, Scalar) and value.value is None:
            continue
        number = _number(value)
        if number is None:
            note = why_not(value)
            yield Setting("objective", field, Fate.UNRESOLVED, None, written, value.place, at, option, note)
            continue
        worth = round(number - 1, 12) if name is CISPO else number
        note = f"TRL's cap {number:g} on the ratio" if name is CISPO else ""
        yield Setting("objective", field, Fate.TAKEN, worth, written, value.place, at, option, note)


def _text(field: tuple[object, str, Place] | None) -> str:
    value = field[0] if field is not None else None
    return value.value if isinstance(value, Scalar) and isinstance(value.value, str) else ""


def _number(value: object) -> float | None:
    worth = value.value if isinstance(value, Scalar) else None
    return float(worth) if isinstance(worth, (int, float)) and not isinstance(worth, bool) else None


def by_name(answers: Answers, files: Iterable[PurePosixPath]) -> Iterator[Setting]:
    """The clip range in the files that the other settings came from: a YAML key or an option of that name.

    Only where all of one name agree; a name that several things have is none.
    """
    named: dict[str, list[Scalar]] = {}
    for path in files:
        if path.suffix in (".yaml", ".yml"):
            tree = answers.program.tree(path)
            for key, value in _keys(tree, path) if tree is not None else ():
                named.setdefault(key, []).append(value)
        elif path.suffix == ".py" and _OPTION.search(answers.program.source(path)):
            for key, value in _options(answers, path):
                named.setdefault(key, []).append(value)
    loss = next((name for name in _LOSS if name in named), "")
    if loss:
        meant = agreed(named[loss], named[loss][0].place)
        what = _LOSSES.get(str(meant.value), "") if isinstance(meant, Scalar) else ""
        if what:
            yield Setting("objective", loss, Fate.TAKEN, what, what, meant.place, meant.place, "objective")
    for names, option in ((_LOW, "clip_range"), (_HIGH, "clip_range_high")):
        name = next((name for name in names if name in named), "")
        if not name:
            continue
        found = agreed(named[name], named[name][0].place)
        if isinstance(found, Scalar):
            yield Setting("objective", name, Fate.TAKEN, found.value, name, found.place, found.place, option)
        else:
            yield Setting("objective", name, Fate.UNRESOLVED, None, name, found.place, found.place, option,
                          why_not(found))  # fmt: skip


def _keys(node: YamlNode, path: PurePosixPath) -> Iterator[tuple[str, Scalar]]:
    for key, below in node.keys.items():
        value = below.plain()
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1
        text = isinstance(value, str) and value in _LOSSES
        if value is not UNRESOLVED and ((key in (*_LOW, *_HIGH) and number) or (key in _LOSS and text)):
            yield key, Scalar(value, Place(path, below.line))
        yield from _keys(below, path)


def _options(answers: Answers, path: PurePosixPath) -> Iterator[tuple[str, Scalar]]:
    """Options of a parser by these names, with their defaults."""
    module = answers.program.module(path)
    if module is None:
        return
    for call in module.syntax.all(ast.Call):
        flags = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        name = next((flag.lstrip("-").replace("-", "_") for flag in flags if flag.startswith("--")), "")
        if getattr(call.func, "attr", "") != "add_argument" or name not in (*_LOW, *_HIGH):
            continue
        default = next((k.value for k in call.keywords if k.arg == "default"), None)
        if isinstance(default, ast.Constant) and isinstance(default.value, float):
            said = (f"--{name} keeps its default ({Place(path, call.lineno)})",)
            yield name, Scalar(default.value, Place(path, call.lineno), said)
