"""What a file does, summed up: the signs that it is RL code and how it runs its engines."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from vllm_migrate.files.located import Certainty
from vllm_migrate.files.prefilter import is_of_others, keeps_logprobs
from vllm_migrate.files.use import Use
from vllm_migrate.resolve import vocabulary as known
from vllm_migrate.resolve.handing_on import passed_on
from vllm_migrate.resolve.partial_outputs import streams, waits_for_finished
from vllm_migrate.resolve.syntax import last_name

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import PurePosixPath

    from vllm_migrate.files.located import Argument, Attribute, Call, Chain, Variable
    from vllm_migrate.files.weight_sync import RpcArgument, WeightUpdate, WorkerClass
    from vllm_migrate.resolve.calls import CallReader
    from vllm_migrate.resolve.names import Names
    from vllm_migrate.resolve.syntax import Syntax

# Methods by which RL code pushes weights into a running engine: vLLM's own, and what TRL, verl, OpenRLHF
# and OAT call theirs.
SYNC = re.compile(
    r"^(?:_?load_weights|_?update_weights?\w*|update_named_param\w*|sync_(?:model_)?weights\w*|update_model_params"
    r"|update_params|update_parameter\w*|_?move_model_to_vllm|broadcast_(?:to_vllm|weights?)|reload_weights)$"
)
_TRAINER = re.compile(r"(?:^|\.)\w*(?:Trainer|Optimizer|AdamW|Adam|SGD)$")
_LOGPROB_ATTRIBUTES = {"cumulative_logprob", "logprobs"}
"""Those of sampled tokens. prompt_logprobs are another matter: no logprobs_mode changes them."""


def read_use(
    syntax: Syntax,
    names: Names,
    reader: CallReader,
    *,
    calls: Sequence[Call],
    arguments: Sequence[Argument],
    attributes: Sequence[Attribute],
    variables: Sequence[Variable],
    updates: Sequence[WeightUpdate] = (),
    workers: Sequence[WorkerClass] = (),
    sent: Sequence[RpcArgument] = (),
    chains: Sequence[Chain] = (),
    path: PurePosixPath | None = None,
    source: bytes = b"",
) -> Use:
    """Sum a file up."""
    engines = [
        (call, call.argument("enable_prefix_caching"))
        for call in calls
        if call.target in known.ENGINE_ARGUMENTS and not call.dead
    ]
    opaques = [
        call.open_ended and call.own_mapping_before is None for call, written in engines if written is None
    ]
    methods = {call.func.attr for call in syntax.all(ast.Call) if isinstance(call.func, ast.Attribute)}
    if "load_weights" in methods and is_of_others(source):
        methods.discard("load_weights")
    called = methods | {call.func.id for call in syntax.all(ast.Call) if isinstance(call.func, ast.Name)}
    rpcs = {
        value.literal
        for call in calls
        if call.target.endswith(".collective_rpc")
        for value, _ in call.positional[:1]
        if isinstance(value.literal, str)
    }
    asks = any(
        a.owner == "sampling" and a.name == "logprobs" and a.value.literal is not None for a in arguments
    )
    by_variable = any(
        v.name == "VLLM_ENABLE_V1_MULTIPROCESSING" and v.value.literal == "0" for v in variables
    )
    launched = any(
        a.name == "distributed_executor_backend" and a.value.literal == "external_launcher" for a in arguments
    )
    targets = {call.target for call in calls if not call.dead}
    reads = any(a.name in _LOGPROB_ATTRIBUTES and a.owner != "vllm.SamplingParams" for a in attributes)
    return Use(
        reads_logprobs=asks
        or reads
        or any(a.attr == "cumulative_logprob" for a in syntax.all(ast.Attribute)),
        takes_logprobs=_takes(syntax, _LOGPROB_ATTRIBUTES),
        takes_prompt_logprobs=_takes(syntax, {"prompt_logprobs"}),
        syncs_weights=any(SYNC.match(str(name)) for name in methods | rpcs)
        or any(
            SYNC.match(function.name) and not _loads_itself(syntax, function)
            for function in syntax.functions()
        )
        or ("copy_" in methods and any(_reaches_model(chain) for chain in chains)),
        trains="backward" in methods
        or _steps_optimizer(syntax)
        or any(_TRAINER.search(name) for name in called)
        or any(_TRAINER.search(names.qualified(b)) for c in syntax.all(ast.ClassDef) for b in c.bases),
        main_guard=bool(reader.main_guards),
        resets_cache="reset_prefix_cache" in methods,
        engine_in_process=by_variable or launched,
        in_process_by_variable=by_variable,
        launched=frozenset({str(path)}) if launched else frozenset(),
        pauses="pause_generation" in methods,
        pickles=any(
            v.name == "VLLM_ALLOW_INSECURE_SERIALIZATION" and v.value.literal != "0" for v in variables
        ),
        cache_on=any(w is not None and w.value.literal is not False for _, w in engines),
        cache_off=any(w is not None and w.value.literal is False for _, w in engines),
        cache_default=any(not opaque for opaque in opaques),
        cache_open=any(opaques),
        updates_located=any(not update.dead for update in updates),
        extensions=frozenset(
            str(a.value.literal)
            for a in arguments
            if a.owner == "engine"
            and a.name in ("worker_extension_cls", "worker_cls")
            and isinstance(a.value.literal, str)
        ),
        rpc_names=frozenset((str(path), str(name)) for name in rpcs),
        extension_methods=frozenset(
            (worker.qualified, method.name)
            for worker in workers
            if not worker.derived
            for method in worker.methods
        ),
        loose_names=_loose_names(syntax, calls),
        sends_dtype=frozenset((s.method, s.place) for s in sent if s.kind == "dtype" and not s.dead),
        worker_methods=frozenset(method.name for worker in workers for method in worker.methods),
        passes_on=passed_on(syntax),
        converts=frozenset(
            (method.name, parameter)
            for worker in workers
            for method in worker.methods
            for parameter in method.converts
        ),
        keeps_logprobs=keeps_logprobs([source]),
        waits_for_finished=waits_for_finished(syntax, targets),
        streams=streams(syntax, targets),
        walks=frozenset({str(path)})
        if not engines and any(_reaches_model(chain) for chain in chains)
        else frozenset(),
    )


def _reaches_model(chain: Chain) -> bool:
    """Whether a walk from what is an engine for sure or likely ends in its worker or model."""
    found = chain.owner and not chain.dead and chain.certainty is not Certainty.GUESS
    return bool(found) and "driver_worker" in chain.attributes


def _loads_itself(syntax: Syntax, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function is a model's own `load_weights`, by which an engine loads it once."""
    owner = syntax.parents[function]
    return (
        function.name == "load_weights"
        and isinstance(owner, ast.ClassDef)
        and any(isinstance(one, ast.FunctionDef) and one.name == "forward" for one in owner.body)
    )


def _takes(syntax: Syntax, names: Collection[str]) -> bool:
    """Whether something is done with the logprobs of an output: attributes or entries so named are read."""
    asked = _asked_for(syntax, names)
    return any(
        a.attr in names
        and isinstance(a.ctx, ast.Load)
        and not last_name(a.value).endswith("params")
        and a not in asked
        for a in syntax.all(ast.Attribute)
    ) or any(
        isinstance(value, ast.Constant) and value.value in names and value not in asked
        for value in (
            *(s.slice for s in syntax.all(ast.Subscript) if isinstance(s.ctx, ast.Load)),
            *(argument for call in syntax.all(ast.Call) for argument in call.args[:2]),
        )
    )


def _asked_for(syntax: Syntax, names: Collection[str]) -> frozenset[ast.AST]:
    """What says how many are asked for: `SamplingParams(logprobs=settings["logprobs"])`."""
    return frozenset(
        node
        for call in syntax.all(ast.Call)
        for keyword in call.keywords
        if keyword.arg in names
        and (last_name(call.func) == "SamplingParams" or any(k.arg == "temperature" for k in call.keywords))
        for node in ast.walk(keyword.value)
    )


def _loose_names(syntax: Syntax, calls: Sequence[Call]) -> frozenset[str]:
    """Strings that are spelled like a method's name, beyond those that `collective_rpc` is called with.

    `{"method": "update_weights"}` in a message to another process, `getattr(worker, "update_weights")`.
    """
    strings = [c.value for c in syntax.all(ast.Constant) if isinstance(c.value, str) and "_" in c.value]
    for call in calls:
        if call.target.endswith(".collective_rpc"):
            for value, _ in call.positional[:1]:
                if value.literal in strings:
                    strings.remove(str(value.literal))
    return frozenset(string for string in strings if string.isidentifier())


def _steps_optimizer(syntax: Syntax) -> bool:
    for call in syntax.all(ast.Call):
        func = call.func
        if isinstance(func, ast.Attribute) and func.attr == "step":
            holder = func.value
            name = last_name(holder)
            if "optim" in name.lower():
                return True
    return False
