"""Subclasses of V0's Worker: which of them can do without a base, as worker extensions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.facts.model import Subject

if TYPE_CHECKING:
    from vllm_migrate.files.located import ClassDefinition, FileFacts, Span
    from vllm_migrate.rules.base import Context

V0_WORKERS = frozenset({"vllm.worker.worker.Worker", "vllm.worker.worker_base.LocalOrDistributedWorkerBase"})

# What V1's own Worker and its CPU subclass define in 0.18.1 or 0.32.0: an extension that has one too makes
# the engine refuse to start (vllm/v1/worker/worker_base.py, init_worker), and a subclass that has one
# overrides it.
_TAKEN = frozenset(
    {
        "_check_weight_transfer_engine",
        "_get_autobind_cpu_ids",
        "_get_cudagraph_capture_context",
        "_get_sleep_parameters",
        "_init_workspace_and_model_runner",
        "_make_model_runner",
        "_maybe_activate_jit_monitor",
        "_maybe_get_memory_pool_context",
        "_restore_sleep_parameters",
        "_save_sleep_parameters",
        "_scoped_allocator_max_split",
        "_set_draft_weight_update_target",
        "_should_warm_up_model",
        "_start_weight_update",
        "_weight_checksum_prefix",
        "add_lora",
        "annotate_profile",
        "apply_model",
        "check_health",
        "checkpoint_prepare",
        "checkpoint_restore",
        "compile_or_warm_up_model",
        "compute_weight_checksums",
        "determine_available_memory",
        "discard",
        "elastic_ep_execute",
        "execute_dummy_batch",
        "execute_model",
        "finish_weight_update",
        "get_cache_block_size_bytes",
        "get_compilation_match_table",
        "get_draft_model",
        "get_encoder_timing_stats",
        "get_kv_cache_spec",
        "get_kv_connector_handshake_metadata",
        "get_model",
        "get_model_inspection",
        "get_supported_kv_cache_layouts",
        "get_supported_tasks",
        "handle_ft_command",
        "init_device",
        "init_weight_transfer_engine",
        "initialize_from_config",
        "list_loras",
        "load_model",
        "pin_lora",
        "profile",
        "randomize_dummy_inputs",
        "release_late_interaction_query_cache",
        "reload_weights",
        "remove_lora",
        "reset_encoder_cache",
        "reset_mm_cache",
        "reset_weights",
        "sample_tokens",
        "save_sharded_state",
        "save_tensorized_model",
        "set_kv_cache_layout",
        "shutdown",
        "shutdown_weight_transfer_engine",
        "sleep",
        "sleep_mode_backend",
        "start_draft_weight_update",
        "start_weight_update",
        "supports_draft_weight_updates",
        "synchronize_device",
        "take_draft_token_ids",
        "update_config",
        "update_max_model_len",
        "update_weights",
        "vocab_size",
        "wake_up",
    }
)


def taken_methods(definition: ClassDefinition) -> tuple[str, ...]:
    """The methods of a class that V1's Worker has too."""
    return tuple(sorted(name for name in definition.methods if name in _TAKEN))


def is_worker(definition: ClassDefinition) -> bool:
    """Whether the class derives from V0's Worker."""
    return any(base in V0_WORKERS for base, _ in definition.bases)


def can_extend(definition: ClassDefinition) -> bool:
    """Whether the class only adds methods, so that it works without a base as an extension of V1's."""
    return (
        len(definition.bases) == 1
        and is_worker(definition)
        and not definition.calls_super
        and "__init__" not in definition.methods
        and not taken_methods(definition)
    )


def handled_worker_imports(file: FileFacts, context: Context) -> frozenset[Span]:
    """Spans of the imports of V0's Worker that go together with the base class they are for."""
    if context.facts.change(Subject.BEHAVIOUR, "worker-class", context.source, context.target) is None:
        return frozenset()
    bases = [span for definition in file.classes if can_extend(definition) for _, span in definition.bases]
    found = set()
    for name in file.imports:
        if (
            name.qualified in V0_WORKERS
            and name.uses
            and all(any(_inside(use, base) for base in bases) for use in name.uses)
        ):
            found.add(name.span)
    return frozenset(found)


def _inside(span: Span, outer: Span) -> bool:
    return outer.start <= span.start and span.end <= outer.end


def module_of(file: FileFacts) -> str:
    """The file's module name as far as its path tells it."""
    parts = [part for part in file.path.with_suffix("").parts if re.fullmatch(r"[A-Za-z_]\w*", part)]
    parts = parts[1:] if parts[:1] == ["src"] else parts
    return ".".join(parts[:-1] if parts[-1:] == ["__init__"] else parts)
