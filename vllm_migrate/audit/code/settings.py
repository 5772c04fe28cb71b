"""Sorts what user code gives an engine: what the candidate takes, what the audit decides, what V1 refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from packaging.version import Version

from vllm_migrate.audit.code.taken import Fate, Setting
from vllm_migrate.errors import FactsError
from vllm_migrate.facts.loader import load_facts
from vllm_migrate.facts.model import Engine, Source, Subject
from vllm_migrate.facts.surface.store import load_surface
from vllm_migrate.resolve.flow.values import Place, Scalar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vllm_migrate.facts.model import Target
    from vllm_migrate.resolve.flow.values import Value

    Given = tuple[str, Value, str, Place]

_FIELDS = "vllm.engine.arg_utils.EngineArgs"
_V0 = Version("0.8.5")

# Where the code runs and what it loads, which the audit decides; none of it changes what a logprob means.
# load_format is among them because RL code starts engines on dummy weights and pushes the real ones in.
PLACE = frozenset(
    {
        "data_parallel_size",
        "device",
        "disable_log_requests",
        "disable_log_stats",
        "distributed_executor_backend",
        "download_dir",
        "enable_sleep_mode",
        "hf_token",
        "load_format",
        "model",
        "model_impl",
        "model_weights",
        "pipeline_parallel_size",
        "revision",
        "served_model_name",
        "skip_tokenizer_init",
        "tensor_parallel_size",
        "tokenizer",
        "tokenizer_mode",
        "tokenizer_revision",
        "worker_cls",
        "worker_extension_cls",
    }
)
_SHORT = 40


def sorted_out(given: Iterable[Given], target: Target) -> Iterator[Setting]:
    """A setting for each argument of an engine, with what becomes of it."""
    known = _known(target)
    for name, value, written, at in given:
        place = value.place
        if not name:
            yield Setting("engine", name, Fate.UNRESOLVED, None, written, place, at, note=why_not(value))
        elif name in PLACE:
            yield Setting("engine", name, Fate.PLACE, None, written, place, at)
        elif _refused(name, target, known):
            worth = value.value if isinstance(value, Scalar) else None
            yield Setting("engine", name, Fate.REFUSED, worth, written, place, at)
        elif isinstance(value, Scalar):
            yield Setting("engine", name, Fate.TAKEN, value.value, written, place, at)
        else:
            yield Setting("engine", name, Fate.UNRESOLVED, None, written, place, at, note=why_not(value))


def is_engine_argument(name: str, target: Target) -> bool:
    """Whether the target's engines take an argument, or V0's did."""
    known = _known(target)
    v0 = load_surface("vllm", str(_V0)).parameters(_FIELDS)
    return name in (known or ()) or name in (v0 or ())


def read_word(worth: object) -> object:
    """A word of a command line as the value it stands for: a number, a truth value, JSON, else the text."""
    if not isinstance(worth, str):
        return worth
    if worth.lower() in ("true", "false", "none", "null"):
        return {"true": True, "false": False}.get(worth.lower())
    try:
        return json.loads(worth)
    except json.JSONDecodeError:
        return worth


def why_not(value: Value) -> str:
    """Why a value could not be told."""
    return str(getattr(value, "why", "it is an object"))


def refused(name: str, target: Target) -> bool:
    """Whether the target does not take an engine argument."""
    return _refused(name, target, _known(target))


def _known(target: Target) -> frozenset[str] | None:
    try:
        found = load_surface("vllm", str(target.version)).parameters(_FIELDS)
    except FactsError:
        return None
    return None if found is None else frozenset(found)


def _refused(name: str, target: Target, known: frozenset[str] | None) -> bool:
    change = load_facts().change(Subject.ENGINE_ARGUMENT, name, Source("vllm", _V0, Engine.V0, ""), target)
    if change is not None and (change.after is None or change.after.holds == "gone"):
        return True
    return known is not None and name not in known
