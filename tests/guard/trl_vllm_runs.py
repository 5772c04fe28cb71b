"""Trains with TRL's own `use_vllm=True, vllm_mode="colocate"`: completions and logprobs of a real V1 on CPU.

Two things are done for TRL, which expects a GPU: the engine starts without compiling, and weights reach it by
`reload_weights`, since a CPU engine repacks its linear layers and leaves `load_weights` nothing to write to.
"""

from __future__ import annotations

import functools
import sys

import trl.generation.vllm_generation as colocate
import trl_common as common

from vllm_migrate.guard.attach import attach
from vllm_migrate.guard.boundaries import Boundaries

_SETTINGS = {
    "use_vllm": True,
    "vllm_mode": "colocate",
    "vllm_gpu_memory_utilization": 0.1,
    "vllm_max_model_length": 256,
    "temperature": 0.7,
    "max_completion_length": 32,
    "per_device_train_batch_size": 8,
    "num_generations": 8,
    "learning_rate": 1e-4,
    "max_steps": 4,
}


class _Fault(common.TrainerCallback):
    """Has the engine report raw logprobs from the third step on, as V1 does by default."""

    def __init__(self, runner):
        self.read_there = (runner.sampler, runner.sampler.topk_topp_sampler, runner.model_config)

    def on_step_begin(self, args, state, control, **_):
        del args, control
        if state.global_step == 2:
            for place in self.read_there:
                place.logprobs_mode = "raw_logprobs"


def _reload(made):
    llm = made.vllm_generation.llm
    tensors = ((name, tensor.detach().clone()) for name, tensor in made.model.state_dict().items())
    llm.collective_rpc("reload_weights", kwargs={"weights_iterator": tensors})
    llm.reset_prefix_cache()


def colocated():
    colocate.LLM = functools.partial(colocate.LLM, enforce_eager=True)
    made = common.trainer(**_SETTINGS)
    made.vllm_generation.sync_weights = functools.partial(_reload, made)
    engine = made.vllm_generation.llm.llm_engine
    runner = engine.model_executor.driver_worker.worker.model_runner
    attached = attach(made, Boundaries.default(), raise_on_stop=False)
    made.add_callback(_Fault(runner))
    made.train()
    guard, others = common.logs(made)
    return {
        "engine": f"{type(engine).__module__}.{type(engine).__qualname__}",
        "guard": guard,
        "trl": {step: rows[0] for step, rows in others.items()},
        "steps": made.state.global_step,
        "stopped": attached.stopped.message if attached.stopped else None,
        "stage": attached.stopped.stage.value if attached.stopped else None,
        "not_judged": attached.not_judged,
    }


if __name__ == "__main__":
    common.run([colocated], sys.argv[1])
