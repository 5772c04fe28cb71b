"""A candidate behind a URL: what it samples itself, and its scores of the reference's tokens.

A server can't be made to follow given tokens, so it is judged by its own: their reported logprobs against the
trainer's forward, under the user's profile and, where that can't tell raw from processed logprobs, under the
semantic probe's, too. Its `prompt_logprobs` of the reference's tokens are shown and never judged: V1 gives
raw ones whatever its mode, and they may come from a prefix cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.audit.arms.shared import FINISHED
from vllm_migrate.audit.cause.steps import candidate_sampling
from vllm_migrate.audit.encode import read_by
from vllm_migrate.audit.evidence import CANDIDATE, REMEDY
from vllm_migrate.audit.plan import PROBE_PROMPTS
from vllm_migrate.engines import registry
from vllm_migrate.engines.endpoint.find import DEVICE, api_at
from vllm_migrate.errors import ProvisionError, UsageError
from vllm_migrate.reward.calling.rollouts import score_rollouts

if TYPE_CHECKING:
    from vllm_migrate.audit.arms.shared import Shared
    from vllm_migrate.audit.evidence import EngineRun
    from vllm_migrate.audit.process import EngineProcess
    from vllm_migrate.engines.environment import EngineEnvironment

_INPUTS = "inputs"  # name of the finished part in the journal


def run_endpoint(shared: Shared, environment: EngineEnvironment) -> None:
    """Sample from a server, and ask it what it makes of the reference's tokens and texts."""
    shared.deliver(shared.sampled[REMEDY], None)  # its settings are not ours to change
    run, inputs = shared.journal.find(CANDIDATE), shared.journal.find(_INPUTS)
    if run is None or inputs is None:
        with shared.process(environment, CANDIDATE) as process:
            if run is None:
                run = process.load(CANDIDATE, {})
                _sample_and_score(shared, process, run)
                shared.journal.keep(CANDIDATE, run)
            if inputs is None:
                inputs = _compare_inputs(shared, process)
                shared.journal.keep(_INPUTS, inputs)
    else:
        shared.progress(CANDIDATE, FINISHED, 0, 0)
    shared.measured.other_inputs, shared.measured.compared_inputs = inputs
    shared.measured.arms[CANDIDATE] = run
    shared.deliver(shared.sampled[CANDIDATE], run)


def forward_environment(v0: EngineEnvironment | None, v1: EngineEnvironment) -> EngineEnvironment:
    """Where the trainer's forward runs: with the candidate's engine, or beside a server in another's.

    Raises:
        ProvisionError: there is no environment with transformers.
    """
    if v1.device != DEVICE:
        return v1
    found = v0 or registry.find("v1") or registry.find("v0")
    if found is None:
        raise ProvisionError(
            "the trainer's forward needs an environment with transformers, and no engine is installed",
            hint="vllm-migrate engines install v1",
        )
    return found


def _sample_and_score(shared: Shared, process: EngineProcess, run: EngineRun) -> None:
    plan, trace = shared.plan, shared.reference.result()
    api, sampling = api_at(process.environment), candidate_sampling(plan)
    if plan.reward is not None and not api.has_text:
        raise UsageError(
            f"{api.server.url} returns token ids and no text, and --reward needs texts",
            hint="leave --reward out, or audit an engine of this tool's own",
        )
    run.rollouts = process.sample(CANDIDATE, trace.prompts, sampling, samples=plan.samples, seed=plan.seed)
    if plan.probe is not None:
        some = trace.prompts[:PROBE_PROMPTS]
        run.probe_rollouts = process.sample(CANDIDATE, some, plan.probe, samples=plan.samples, seed=plan.seed)
    if api.scores:
        run.prompt_scores = process.force(CANDIDATE, trace.prompts, trace.rollouts, sampling, path="prefill")
    if plan.reward is not None:
        run.rewards = score_rollouts(plan.reward, trace.prompts, run.rollouts)


def _compare_inputs(shared: Shared, process: EngineProcess) -> tuple[tuple[int, ...], int]:
    """Which prompts the server would turn into other token ids, and how many were compared."""
    if not api_at(process.environment).reads_text:
        return (), 0
    given = {index for index, line in enumerate(shared.plan.prompts) if line.token_ids}
    prompts = [p for p in shared.reference.result().prompts if p.text and p.id not in given]
    made = read_by(process, prompts)
    others = tuple(p.id for p, ids in zip(prompts, made, strict=True) if ids != p.token_ids)
    return others, len(prompts)
