"""VM501: the trainer walks from the engine to its model."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.facts.model import Subject
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.engines import built, engine_calls
from vllm_migrate.rules.finding import make_finding
from vllm_migrate.rules.weight_sync.kept_here import is_kept_here, is_launched_near, is_spread, may_be_spread
from vllm_migrate.rules.weight_sync.meeting import meets_one_of
from vllm_migrate.rules.weight_sync.out_of_reach import advice, is_never_here, past_executor
from vllm_migrate.rules.weight_sync.rpc import PRIVATE_CALLS
from vllm_migrate.rules.weight_sync.switch import switch
from vllm_migrate.rules.weight_sync.walk_edits import load_edits, rpc_edits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Edit, Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Chain
    from vllm_migrate.rules.base import Context

_INSIDES = ("model_executor", "driver_worker", "model_runner")
_ONE_GPU = "the engine has one GPU"
_RPC_PRECONDITION = "the method exists on V1's worker or on a worker_extension_cls"
_IN_PROCESS = ("VLLM_ENABLE_V1_MULTIPROCESSING", "0", "the engine stays in this process, as on V0")


class DriverWorkerChain(Rule):
    """Code walks from an engine into its executor, worker and model.

    ## What it does
    Finds walks such as `llm.llm_engine.model_executor.driver_worker.model_runner.model`. A call of
    `load_weights` at its end becomes `llm.collective_rpc("reload_weights", ...)`, and where the engine is
    built in the same file, `VLLM_ENABLE_V1_MULTIPROCESSING=0` keeps it in the trainer's process, as V0 did:
    the tensors then need not be sent anywhere. Before vLLM 0.16.0, and where the call is given a list of
    tensors written out (parts of the model), it becomes
    `llm.apply_model(lambda model: model.load_weights(...))`.

    Where the file keeps its engine in process
    already, the walk works and nothing is reported; where another file of the project does, it is a note.
    So is one that only gives something up (`del`, `shutdown()`), last in a `try` that goes on where it fails.
    An asynchronous engine is in a process of its own whatever is set, and its walks are always reported.
    A walk that a class keeps in an attribute is followed to where it is used, and where the engine is built
    in another file than the one that walks, that file sets the variable, if some file brings both together
    by its imports.
    An engine on several GPUs has its workers in other processes in any case, and nothing is edited there.
    The executor's own `collective_rpc` becomes the engine's. For all else the advice says what takes its
    place: a method of the engine's, or one of a worker extension.

    ## Why it matters
    On V1 the engine lives in a process of its own: `'LLMEngine' object has no attribute 'model_executor'`.
    And where layers keep their weights in another layout than the checkpoint's (on CPU all linear layers do,
    on GPU quantised ones), `load_weights` in place no longer fits; `reload_weights` converts them again.

    ## Fix safety
    Unsafe: `reload_weights` takes all of the model's weights at once, and of a fused layer given in parts
    it keeps only the parts. An engine in the trainer's process shares its random state and its GPU context,
    and a function that is sent to other processes has to be picklable
    (`VLLM_ALLOW_INSECURE_SERIALIZATION=1`). With `external_launcher` the engine is in process without the
    variable. All other uses of the walk are left to a person.
    """

    code = "VM501"
    name = "driver-worker-chain"
    summary = "the engine's model is out of the trainer's reach"
    level = Level.ERROR
    safety = Safety.UNSAFE
    examples = (
        Example(
            before=(
                "from vllm import LLM\n\n\nclass Trainer:\n    def __init__(self):\n"
                '        self.llm = LLM("m", enable_prefix_caching=False)\n\n'
                "    def sync(self, weights):\n"
                "        llm_model = self.llm.llm_engine.model_executor.driver_worker.model_runner.model\n"
                "        llm_model.load_weights(weights.items())\n"
            ),
            after=(
                "import os\n"
                "\n"
                'os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")  # the engine '
                "stays in this process, as on V0\n"
                "\n"
                "from vllm import LLM\n"
                "\n"
                "\n"
                "class Trainer:\n"
                "    def __init__(self):\n"
                '        self.llm = LLM("m", enable_prefix_caching=False)\n'
                "\n"
                "    def sync(self, weights):\n"
                "        self.llm.collective_rpc("
                '"reload_weights", kwargs={"weights_iterator": weights.items()})\n'
            ),
            unsafe=True,
        ),
        Example(
            before=(
                "from vllm import LLM\n\n\ndef sync(llm: LLM, policy):\n"
                "    engine_model = llm.llm_engine.model_executor.driver_worker.model_runner.model\n"
                "    for name, tensor in policy.state_dict().items():\n"
                "        engine_model.load_weights([(name, tensor)])\n"
            ),
            after=(
                "from vllm import LLM\n\n\ndef sync(llm: LLM, policy):\n"
                "    for name, tensor in policy.state_dict().items():\n"
                "        llm.apply_model(lambda model: model.load_weights([(name, tensor)]))\n"
            ),
            unsafe=True,
        ),
        Example(
            before=(
                "from vllm import LLM\n"
                "\n"
                "\n"
                "def sync(llm: LLM, model):\n"
                "    "
                "llm.llm_engine.model_executor.driver_worker.model_runner.model.load_weights(model.state_dict().items())\n"
            ),
            after=(
                "from vllm import LLM\n"
                "\n"
                "\n"
                "def sync(llm: LLM, model):\n"
                "    llm.apply_model(lambda engine_model: "
                "engine_model.load_weights(model.state_dict().items()))\n"
            ),
            unsafe=True,
            target="0.15.1",
        ),
        Example(
            before=(
                "from vllm import LLM\n\n\ndef sync(llm: LLM, policy):\n"
                "    model = llm.llm_engine.model_executor.driver_worker.model_runner.model\n"
                "    model.load_weights((name, p.bfloat16()) for name, p in policy.named_parameters())\n"
            ),
            after=(
                "from vllm import LLM\n\n\ndef sync(llm: LLM, policy):\n"
                '    llm.collective_rpc("reload_weights", kwargs={"weights_iterator": '
                "((name, p.bfloat16()) for name, p in policy.named_parameters())})\n"
            ),
            unsafe=True,
        ),
        Example(
            before=(
                "from vllm import LLM\n\n\nclass Manager:\n    def __init__(self, llm: LLM):\n"
                "        self.llm = llm\n        self.model_runner = (\n"
                "            self.llm.llm_engine.model_executor.driver_worker.model_runner if llm else None\n"
                "        )\n\n    def update(self, weights):\n"
                "        model = self.model_runner.model\n"
                "        model.load_weights(weights.items())\n"
            ),
            after=(
                "from vllm import LLM\n\n\nclass Manager:\n    def __init__(self, llm: LLM):\n"
                "        self.llm = llm\n\n    def update(self, weights):\n"
                '        self.llm.collective_rpc("reload_weights", '
                'kwargs={"weights_iterator": weights.items()})\n'
            ),
            unsafe=True,
        ),
        Example(
            before=(
                "from vllm import LLM\n\n\ndef close(llm: LLM):\n"
                '    llm.llm_engine.model_executor.collective_rpc("close_communicator")\n'
            ),
            after=(
                "from vllm import LLM\n\n\ndef close(llm: LLM):\n"
                '    llm.collective_rpc("close_communicator")\n'
            ),
            unsafe=True,
        ),
        Example(
            before=(
                "from vllm import LLM\n\n\ndef blocks(llm: LLM):\n"
                "    return llm.llm_engine.model_executor.cache_config.num_gpu_blocks\n"
            ),
        ),
        Example(
            before=(
                "from vllm import LLM\n\n\ndef close(llm: LLM):\n"
                "    del llm.llm_engine.model_executor.driver_worker\n"
            ),
        ),
        Example(
            before=(
                "from vllm import LLM\n\n\ndef head(llm: LLM):\n"
                "    return llm.llm_engine.model_executor.driver_worker.model_runner.model.lm_head\n"
            ),
        ),
        Example(
            before=(
                "import os\n"
                "\n"
                'os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"\n'
                "from vllm import LLM\n"
                "\n"
                "\n"
                "def head(llm: LLM):\n"
                "    return "
                "llm.llm_engine.model_executor.driver_worker.model_runner.model.lm_head\n"
            ),
            unchanged=True,
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield the walks into an engine."""
        change = context.facts.change(
            Subject.ATTRIBUTE, "llm_engine.model_executor", context.source, context.target
        )
        if change is None:
            return
        own_process_kept = file.use.engine_in_process
        kept = is_kept_here(file, context.project)
        in_process_switch = None if own_process_kept else switch(file, *_IN_PROCESS)
        spread = any(map(is_spread, engine_calls(file)))
        one_gpu = any(map(may_be_spread, engine_calls(file)))
        here = f"{change.fact.precondition}, and {_ONE_GPU}" if one_gpu else ""
        for chain in file.chains:
            if not any(name in chain.attributes for name in _INSIDES) or _is_private_call(chain):
                continue
            in_process = kept and not is_never_here(chain)
            if in_process and own_process_kept and not past_executor(chain):
                continue
            rpc = rpc_edits(file, chain)
            edits = () if in_process else rpc or (() if spread else load_edits(file, chain, context))
            if edits and not rpc and in_process_switch:
                edits, in_process_switch = (*edits, in_process_switch), None
            walk = ".".join((chain.root, *chain.attributes))
            message = f"{walk} is out of reach: {change.fact.because}"
            if in_process:
                message = f"{walk} works only with an engine in this process, as elsewhere in the project"
                if ("model_executor", "worker") in pairwise(chain.attributes):
                    message = f"{walk} works on no V1 engine: its executor has driver_worker.worker"
                elif past_executor(chain):
                    message = f"{walk} works on no V1 engine: only its model_executor has a driver_worker"
            if chain.passed_over:
                message += "; the failure is caught, and what follows runs"
            yield make_finding(
                self,
                file,
                chain.span,
                message,
                fact=change.fact,
                level=Level.NOTE if (in_process and not past_executor(chain)) or chain.passed_over else None,
                edits=edits,
                advice=advice(file, chain, spread=spread),
                precondition=_RPC_PRECONDITION if rpc else here,
                certainty=chain.certainty,
            )
        kept = kept or is_launched_near(file, context.project)
        if in_process_switch and not kept and context.project.walks:
            yield from self._reached_from_elsewhere(file, context, in_process_switch)

    def _reached_from_elsewhere(
        self, file: FileFacts, context: Context, in_process: Edit
    ) -> Iterator[Finding]:
        """Yield the first engine of a file where another file walks to the model of one it is handed."""
        for call in engine_calls(file):
            if call.wrapped or call.target == "vllm.AsyncEngineArgs" or is_spread(call):
                continue
            if not meets_one_of(file.path, context.project.walks, context):
                return
            yield make_finding(
                self,
                file,
                call.callee,
                f"another file walks from an engine to its model: {built(call)}(...) builds one in a process "
                "of its own",
                edits=(in_process,),
                precondition="it is this file's engine that the other file walks into"
                + (f", and {_ONE_GPU}" if may_be_spread(call) else ""),
                certainty=call.certainty,
            )
            return


def _is_private_call(chain: Chain) -> bool:
    return any(call.method in PRIVATE_CALLS for call in chain.method_calls)
