"""Where the trainer's side changes an engine's weights, and where the last tensor is in place.

A weight update is often spread: a loop over tensors, a method that sends one of them, a caller that loops
over that method. What counts for whoever has to do something after the update is the statement behind which
all of it is done, so loops over tensors are climbed out of, and a method that sends one tensor is followed
to its callers in the same file.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from vllm_migrate.files.weight_sync import WeightUpdate
from vllm_migrate.resolve import vocabulary as known
from vllm_migrate.resolve.meaning import Kind
from vllm_migrate.resolve.sync_points import Place, calls_in, place_of
from vllm_migrate.resolve.syntax import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vllm_migrate.files.located import Certainty, Chain
    from vllm_migrate.files.positions import SourceText
    from vllm_migrate.resolve.names import Names
    from vllm_migrate.resolve.syntax import Function, Syntax
    from vllm_migrate.resolve.versions import VersionGates

# What RL code calls a worker's method that takes new weights: vLLM's own names, and those of TRL, verl,
# OpenRLHF, OAT and verifiers.
SYNC_METHOD = re.compile(
    r"^(?:_?load_weights?\w*|_?(?:batch_)?update_(?:\w+_)?weights?\w*|(?:batch_)?update_named_params?\w*"
    r"|sync_(?:model_)?weights\w*|update_model_params|update_params|update_parameters?\w*|set_weights"
    r"|broadcast_weights?|receive_weights?\w*|reload_weights|finish_weight_update)$"
)
_WORTH_LOOKING = re.compile(
    rb"load_weight|update_|sync_|set_weights|broadcast_weight|receive_weight|weight_update"
)
_PRIVATE = frozenset({"_run_workers", "run_workers", "collective_rpc"})
_NAMES_A_TENSOR = re.compile(r"(?:^|_)(?:name|key|param|parameter|tensor)$|^[nkp]$")


class WeightUpdateReader:
    """Finds the weight updates of one file."""

    def __init__(
        self,
        syntax: Syntax,
        names: Names,
        text: SourceText,
        gates: VersionGates,
        chains: Sequence[Chain],
    ) -> None:
        self._syntax = syntax
        self._names = names
        self._text = text
        self._gates = gates
        self._chained = {call.span: (chain, call.method) for chain in chains for call in chain.method_calls}

    def updates(self) -> tuple[WeightUpdate, ...]:
        """All weight updates whose engine is known, in source order."""
        if not _WORTH_LOOKING.search(self._text.source):
            return ()
        found: list[WeightUpdate] = []
        for call in self._syntax.in_order(ast.Call):
            if isinstance(call.func, ast.Attribute):
                site = self._through_engine(call) or self._through_chain(call)
                if site is not None:
                    found += self._followed(call, *site)
        return tuple({update.span: update for update in found}.values())

    # What changes weights

    def _through_engine(self, call: ast.Call) -> tuple[str, str, Certainty] | None:
        """Engine, its class and certainty, where a method of the engine itself changes weights."""
        meaning = self._names.of(call.func)
        if meaning is None or meaning.kind is not Kind.METHOD:
            return None
        owner, _, method = meaning.name.rpartition(".")
        if owner not in known.ENGINES or not self._changes_weights(method, call):
            return None
        func = call.func
        assert isinstance(func, ast.Attribute)  # noqa: S101 (the caller has looked)
        receiver = func.value
        if func.attr == "remote" and isinstance(receiver, ast.Attribute):
            owner, receiver = f"ray:{owner}", receiver.value
        return self._written(receiver), owner, meaning.certainty

    def _changes_weights(self, method: str, call: ast.Call) -> bool:
        if method == "update_weights":
            return not self._is_finished_later(call)
        if method == "finish_weight_update":
            return True
        if method not in ("collective_rpc", "apply_model"):
            return False
        what = (
            call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "method"), None)
        )
        if isinstance(what, ast.Constant):
            return isinstance(what.value, str) and bool(SYNC_METHOD.match(what.value))
        return what is not None and self._loads(what)

    def _is_finished_later(self, call: ast.Call) -> bool:
        """Whether the update is one of several that `finish_weight_update` ends in the same function."""
        around = self._scope_of_calls(self._syntax.function(call))
        return any(_method(c) == "finish_weight_update" for c in calls_in(self._syntax, around))

    def _loads(self, function: ast.expr) -> bool:
        """Whether a function that is sent to the workers loads weights."""
        node: ast.AST | None = function
        if isinstance(function, ast.Name):
            meaning = self._names.of(function)
            node = meaning.node if meaning is not None and meaning.kind is Kind.FUNCTION else None
        if not isinstance(node, (ast.Lambda, *FUNCTIONS)):
            return False
        return any(isinstance(n, ast.Attribute) and n.attr == "load_weights" for n in ast.walk(node))

    def _through_chain(self, call: ast.Call) -> tuple[str, str, Certainty] | None:
        """The same, where the code walks to the model or the workers itself."""
        func = call.func
        assert isinstance(func, ast.Attribute)  # noqa: S101 (the caller has looked)
        if func.attr != "load_weights" and func.attr not in _PRIVATE:
            return None
        chain, method = self._chained.get(self._text.span(call), (None, ""))
        if chain is None:
            return None
        if method in _PRIVATE:
            first = call.args[0] if call.args else None
            if not (isinstance(first, ast.Constant) and SYNC_METHOD.match(str(first.value))):
                return None
        elif method != "load_weights" or "model_runner" not in chain.attributes:
            return None
        told = {"llm_engine": "vllm.LLM", "engine": "vllm.AsyncLLMEngine"}
        owner = chain.owner or told.get(chain.attributes[0], "")
        return " ".join(chain.root.split()), owner, chain.certainty

    # Where it is done

    def _followed(
        self, call: ast.Call, engine: str, owner: str, certainty: Certainty
    ) -> Iterator[WeightUpdate]:
        """The update, or those of the callers where a function of the user's sends one tensor."""
        place = place_of(self._syntax, self._text, call, engine)
        function = self._syntax.function(call)
        if (
            place.point is not None
            and not place.loops
            and function is not None
            and self._is_one_tensor(call, function)
        ):
            callers = list(self._callers(function, engine))
            if callers:
                for caller, engine_there in callers:
                    there = place_of(self._syntax, self._text, caller, engine_there)
                    yield self._update(caller, engine_there, owner, certainty, there)
                return
            place = Place(None, "one-tensor")
        yield self._update(call, engine, owner, certainty, place)

    def _is_one_tensor(self, call: ast.Call, function: Function) -> bool:
        """Whether the name of a tensor, which the function was given, is what the call sends first."""
        sent = [k.value for k in call.keywords if k.arg == "args"] or call.args
        pairs = [
            n for part in sent for n in ast.walk(part) if isinstance(n, (ast.Tuple, ast.List)) and n.elts
        ]
        named = [n.elts[0] for n in pairs if not isinstance(n.elts[0], (ast.Tuple, ast.List))]
        first = named[0] if named else call.args[1] if len(call.args) > 1 else None
        if not isinstance(first, ast.Name) or not _NAMES_A_TENSOR.search(first.id):
            return False
        parameters = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
        return any(parameter.arg == first.id for parameter in parameters)

    def _callers(self, function: Function, engine: str) -> Iterator[tuple[ast.Call, str]]:
        """Calls of a function in this file, each with the engine as it is called there."""
        class_ = self._syntax.parents.get(function)
        parameters = [p.arg for p in (*function.args.posonlyargs, *function.args.args)]
        root = engine.partition(".")[0]
        for call in self._syntax.in_order(ast.Call):
            if isinstance(class_, ast.ClassDef):
                mine = (
                    isinstance(call.func, ast.Attribute)
                    and call.func.attr == function.name
                    and self._syntax.self_attribute(call.func) is class_
                )
                if mine and parameters and root == parameters[0]:
                    yield call, engine
            elif isinstance(call.func, ast.Name) and call.func.id == function.name:
                if root not in parameters:
                    yield call, engine
                    continue
                given = _given(call, root, parameters.index(root))
                if given is not None:
                    yield call, self._written(given) + engine[len(root) :]

    def _update(
        self, call: ast.Call, engine: str, owner: str, certainty: Certainty, place: Place
    ) -> WeightUpdate:
        function = self._syntax.function(call)
        point = self._text.span(place.point) if place.point is not None else None
        end = place.point or self._syntax.statement(call)
        after = end.end_lineno or end.lineno
        around = list(calls_in(self._syntax, self._scope_of_calls(function)))
        paused = [c for c in around if _method(c) == "pause_generation" and c.lineno <= call.lineno]
        woken = any(
            _method(c) == "wake_up" and _receiver(c) == engine and c.lineno <= call.lineno for c in around
        )
        return WeightUpdate(
            engine=engine,
            owner=owner,
            span=self._text.span(call),
            point=point,
            unclear=place.unclear,
            headers=place.headers,
            is_async=isinstance(function, ast.AsyncFunctionDef),
            function=self._syntax.qualname(call),
            reset=any(_method(c) == "reset_prefix_cache" and c.lineno >= after for c in around)
            or any(map(_clears, paused))
            or (woken and self._sleeps(engine))
            or self._reset_by_neighbours(function),
            woken=woken,
            paused=bool(paused),
            certainty=certainty,
            dead=self._gates.is_dead(call),
        )

    def _sleeps(self, engine: str) -> bool:
        """Whether the file puts an engine to sleep, which empties its cache."""
        return any(_method(c) == "sleep" and _receiver(c) == engine for c in self._syntax.all(ast.Call))

    def _scope_of_calls(self, function: Function | None) -> ast.AST:
        return self._syntax.module if function is None else function

    def _reset_by_neighbours(self, function: Function | None) -> bool:
        """Whether the cache is reset by who calls the function, or by a method or route beside it.

        One beside it is meant for that where it is called so, or where it puts the engine to sleep, too: an
        engine that slept is updated before it is asked again.
        """
        if function is None:
            return False
        holder = self._syntax.parents.get(function)
        for call in self._syntax.all(ast.Call):
            if _method(call) != "reset_prefix_cache":
                continue
            around = self._syntax.function(call)
            if around is None or around is function:
                continue
            beside = self._syntax.parents.get(around) is holder and (
                isinstance(holder, (ast.ClassDef, *FUNCTIONS)) or bool(getattr(around, "decorator_list", ()))
            )
            called = {_method(c) for c in calls_in(self._syntax, around)}
            if function.name in called or (beside and ("reset" in around.name or "sleep" in called)):
                return True
        return False

    def _written(self, node: ast.expr) -> str:
        return " ".join(self._text.written(self._text.span(node)).split())


def _given(call: ast.Call, name: str, index: int) -> ast.expr | None:
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    return call.args[index] if index < len(call.args) else None


def _method(call: ast.Call) -> str:
    func = call.func
    if isinstance(func, ast.Attribute) and func.attr == "remote" and isinstance(func.value, ast.Attribute):
        return func.value.attr
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


def _receiver(call: ast.Call) -> str:
    return ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""


def _clears(pause: ast.Call) -> bool:
    """`pause_generation` clears the cache unless it is told not to."""
    return not any(
        k.arg == "clear_cache" and isinstance(k.value, ast.Constant) and k.value.value is False
        for k in pause.keywords
    )
