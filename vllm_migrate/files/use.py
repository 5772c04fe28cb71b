"""What a file does that matters to several rules."""

from __future__ import annotations

from vllm_migrate.values import dataclass


@dataclass(frozen=True, slots=True)
class Use:
    """What a file does that matters to several rules: is it RL, and how does it build its engines?

    Attributes:
        reads_logprobs: reads rollout logprobs (`.logprobs`, `.cumulative_logprob`) or asks for them.
        keeps_logprobs: writes the logprobs of sampled tokens out beside the tokens, for others to read.
        waits_for_finished: drives an engine itself and only takes what is finished: steps it and looks at
            `finished`, or keeps the last of what an asynchronous one yields.
        streams: gives an engine's outputs on before they are finished.
        takes_logprobs, takes_prompt_logprobs: does something with logprobs that came back, whoever asked for
            them: of sampled tokens, of prompts.
        syncs_weights: changes the weights of a live engine.
        trains: calls an optimizer, a backward pass or a TRL/verl/OpenRLHF trainer.
        main_guard: the file has `if __name__ == "__main__":`.
        resets_cache: calls reset_prefix_cache.
        engine_in_process: sets VLLM_ENABLE_V1_MULTIPROCESSING=0 (`in_process_by_variable`) or uses
            external_launcher (`launched` has the file).
        pickles: sets VLLM_ALLOW_INSECURE_SERIALIZATION.
        pauses: calls pause_generation.
        cache_on, cache_off, cache_default, cache_open: builds an engine with a prefix cache that isn't
            literally off; is off; without a word about it; with arguments that can't be followed and may say.
        updates_located: changes the weights of an engine that is known (`FileFacts.updates`).
        extensions: classes named by `worker_extension_cls` or `worker_cls`, as written.
        rpc_names: names of worker methods called through `collective_rpc`, each with the file it is in.
        extension_methods: methods of classes without a Worker as base that run on the workers, each with the
            class's qualified name.
        loose_names: strings that may name such a method elsewhere than in a `collective_rpc`.
        sends_dtype: worker methods that are sent a dtype, each with the place of the argument.
        worker_methods: methods of classes that run on the workers.
        passes_on: settings of an engine's that are written for one that is built elsewhere: a seed in the
            keywords of an actor that hands them on.
        converts: worker methods that convert a parameter themselves, each with the parameter.
        walks: files that walk to the model of an engine that another file builds.
    """

    reads_logprobs: bool = False
    takes_logprobs: bool = False
    takes_prompt_logprobs: bool = False
    syncs_weights: bool = False
    trains: bool = False
    main_guard: bool = False
    resets_cache: bool = False
    engine_in_process: bool = False
    in_process_by_variable: bool = False
    launched: frozenset[str] = frozenset()
    pickles: bool = False
    pauses: bool = False
    cache_on: bool = False
    cache_off: bool = False
    cache_default: bool = False
    cache_open: bool = False
    updates_located: bool = False
    extensions: frozenset[str] = frozenset()
    rpc_names: frozenset[tuple[str, str]] = frozenset()
    extension_methods: frozenset[tuple[str, str]] = frozenset()
    loose_names: frozenset[str] = frozenset()
    sends_dtype: frozenset[tuple[str, str]] = frozenset()
    worker_methods: frozenset[str] = frozenset()
    passes_on: frozenset[str] = frozenset()
    keeps_logprobs: bool = False
    waits_for_finished: bool = False
    streams: bool = False
    converts: frozenset[tuple[str, str]] = frozenset()
    walks: frozenset[str] = frozenset()
