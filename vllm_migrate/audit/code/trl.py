"""What a TRL configuration says about engine, sampling and objective, in the words of those who take it.

TRL builds the engine itself. Fields that are not set have the defaults of the TRL release that the code was
written for: the audit replays what the project trains with today.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from packaging.version import Version

from vllm_migrate.errors import FactsError
from vllm_migrate.facts.loader import load_facts
from vllm_migrate.facts.model import Subject
from vllm_migrate.facts.surface.store import load_surface
from vllm_migrate.facts.trl_route import passed_to_trl, trl_route
from vllm_migrate.resolve.flow.values import Scalar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vllm_migrate.audit.code.settings import Given
    from vllm_migrate.audit.code.sites import Site, Tree
    from vllm_migrate.facts.model import Target
    from vllm_migrate.facts.trl_route import TrlRoute

_V0 = Version("0.8.5")
_MODE_SINCE = Version("1.0.0")  # trl/generation/vllm_generation.py of 1.0.0 passes it to LLM(...)

ENGINE = {
    "vllm_dtype": "dtype",
    "vllm_enable_prefix_caching": "enable_prefix_caching",
    "vllm_gpu_memory_utilization": "gpu_memory_utilization",
    "vllm_max_model_len": "max_model_len",
    "vllm_max_model_length": "max_model_len",
    "vllm_model_impl": "model_impl",
    "vllm_tensor_parallel_size": "tensor_parallel_size",
}
SAMPLING = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "repetition_penalty": "repetition_penalty",
    "max_completion_length": "max_tokens",
    "max_new_tokens": "max_tokens",
    "num_generations": "n",
}
OBJECTIVE = frozenset({"epsilon", "epsilon_high", "loss_type", "importance_sampling_level"})
_DEFAULTED = ("temperature", "top_k", "max_completion_length", "loss_type")
_ALWAYS = {"top_p": 1.0, "repetition_penalty": 1.0, "epsilon": 0.2}
"""Defaults that every release of GRPOConfig has had; before there was a field, vLLM's own was the same."""


def engine_of(given: Iterable[Given], site: Site, tree: Tree, target: Target) -> Iterator[Given]:
    """The engine arguments among the fields, and what TRL adds to them by itself."""
    names: set[str] = set()
    for name, value, written, at in given:
        if name in ENGINE or not name:
            names.add(ENGINE.get(name, ""))
            if not (isinstance(value, Scalar) and value.value is None):
                yield ENGINE.get(name, ""), value, written, at
    route = _route(tree, target)
    if route.target >= _MODE_SINCE:
        said = f"TRL {route.target}, which takes vLLM {target.version}, asks for processed logprobs by itself"
        yield "logprobs_mode", Scalar("processed_logprobs", site.place, (said,)), "", site.place


def field_of(name: str, owner: str, tree: Tree, target: Target) -> str | None:
    """The field of a configuration that sets an engine argument, None where there is none.

    It has to be one of the TRL release that takes the target's vLLM: what was a field when the project was
    written may be gone there.

    Args:
        name: of the engine argument.
        owner: the configuration, such as "trl.GRPOConfig".
        tree: the project, whose pins say which TRL it uses.
        target: the vLLM.
    """
    try:
        known = load_surface("trl", str(_route(tree, target).target)).parameters(owner) or ()
    except FactsError:
        return None
    return next((field for field, engine in ENGINE.items() if engine == name and field in known), None)


def sampling_of(given: Iterable[Given], site: Site, tree: Tree, target: Target) -> Iterator[Given]:
    """The sampling parameters among the fields, those left to TRL with its defaults."""
    for name, value, written, at in _with_defaults(given, site, tree, target):
        if name in SAMPLING:
            off = isinstance(value, Scalar) and value.value is None and name == "min_p"
            if not off:
                yield SAMPLING[name], value, written, at


def objective_of(given: Iterable[Given], site: Site, tree: Tree, target: Target) -> Iterator[Given]:
    """The fields that say which ratios are clipped, those left to TRL with its defaults."""
    for one in _with_defaults(given, site, tree, target):
        if one[0] in OBJECTIVE:
            yield one


def _with_defaults(given: Iterable[Given], site: Site, tree: Tree, target: Target) -> Iterator[Given]:
    route = _route(tree, target)
    unset = {*_DEFAULTED, *_ALWAYS}
    for one in given:
        unset.discard(one[0])
        yield one
    for name in (n for n in (*_DEFAULTED, *_ALWAYS) if n in unset):
        found = (_ALWAYS[name],) if name in _ALWAYS else _default(site.what, name, route)
        if found is not None:
            release = f"TRL {route.source}" + (", assumed" if route.is_assumed else "")
            said = f"{name} is left to TRL, whose default is {found[0]!r} ({release})"
            yield name, Scalar(found[0], site.place, (said,)), "", site.place


def _default(config: str, name: str, route: TrlRoute) -> tuple[object] | None:
    """The default of a field in the release that the code comes from, None where it is not known."""
    for fact in load_facts().about(Subject.TRL_DEFAULT):
        if fact.name != f"{config}.{name}":
            continue
        for state in fact.states:
            since, until = state.since, state.until
            if (since is None or since <= route.source) and (until is None or route.source < until):
                written = state.holds
                if written == "absent":
                    written = state.to.partition("=")[2]
                return (ast.literal_eval(written),) if written else None
    return None


def _route(tree: Tree, target: Target) -> TrlRoute:
    pins = tuple((str(facts.path), pin) for facts in tree.facts.values() for pin in facts.pins)
    return trl_route(pins, _V0, target.version, load_facts(), passed_to_trl(tree.facts.values()))
