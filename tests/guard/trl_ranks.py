"""Trains in two processes on CPU; one of them alone has what crosses a boundary. Started by torchrun."""

from __future__ import annotations

import os
import sys

sys.modules["vllm"] = None

import trl_common as common  # noqa: E402 - see above

from vllm_migrate.guard.attach import attach  # noqa: E402 - same
from vllm_migrate.guard.boundaries import Boundaries  # noqa: E402 - same

RANK = int(os.environ["RANK"])


def _train(boundaries, *, guarded=True):
    made = common.trainer(num_iterations=2, gradient_accumulation_steps=2, max_steps=4)
    attached = attach(made, boundaries, raise_on_stop=False) if guarded else None
    own, loss = [], made._compute_loss

    def losing(model, inputs):
        own.append(float(inputs["completion_mask"].sum()))
        return loss(model, inputs)

    made._compute_loss = losing
    made.train()
    return {
        "weights": common.weights(made),
        "steps": made.state.global_step,
        "processes": made.accelerator.num_processes,
        "own_tokens": sum(own[-2:]),
        "measured": None if attached is None else attached.last.metrics(),
        "stopped": attached.stopped.message if attached and attached.stopped else None,
        "logged": common.logs(made)[0],
        "said": list(common.SAID),
    }


def unguarded():
    return _train(None, guarded=False)


def calm():
    return _train(Boundaries.default())


def stopped():
    return _train(Boundaries.default().with_("policy_kl", warn=None, stop=1e-9, patience=1))


if __name__ == "__main__":
    common.run([unguarded, calm, stopped], f"{sys.argv[1]}.{RANK}")
    if RANK == 0:
        common.Path(sys.argv[1]).write_text("{}")
