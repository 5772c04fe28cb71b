"""What the shipped surfaces say, against the sources in the wheels (each was looked up there by hand)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from packaging.version import Version

from vllm_migrate.errors import FactsError
from vllm_migrate.facts import surface as package_of_surfaces
from vllm_migrate.facts.surface import Surface, known_versions, load_surface

NEEDED = (
    "0.6.6.post1 0.7.3 0.8.5 0.10.2 0.11.0 0.12.0 0.14.1 0.16.0 0.18.1 0.22.1 0.26.0 0.29.0 0.32.0 0.33.0"
)
NEEDED_TRL = "0.14.0 0.15.2 0.16.1 0.17.0 0.18.2 0.19.1 0.22.2 0.24.0 0.26.2 0.29.1 1.0.0 1.8.0 1.16.0"

# qualified name, a release that has it, a release that doesn't
IMPORTS = [
    ("vllm.worker.worker.Worker", "0.8.5", "0.11.0"),
    ("vllm.worker.worker", "0.10.2", "0.11.0"),
    ("vllm.model_executor.sampling_metadata.SamplingMetadata", "0.10.2", "0.11.0"),
    ("vllm.sampling_params.GuidedDecodingParams", "0.11.2", "0.12.0"),
    ("vllm.sampling_params.StructuredOutputsParams", "0.11.0", "0.10.2"),
    ("vllm.utils.network_utils.get_open_port", "0.12.0", "0.11.0"),
    ("vllm.utils.get_open_port", "0.13.0", "0.14.1"),  # from 0.11.1 on through a module __getattr__
    ("vllm.transformers_utils.tokenizer.get_tokenizer", "0.16.0", "0.22.1"),  # likewise
    ("vllm.transformers_utils.tokenizer.AnyTokenizer", "0.13.0", "0.14.1"),
    ("vllm.tokenizers.get_tokenizer", "0.33.0", "0.8.5"),
    ("vllm.entrypoints.openai.protocol", "0.14.1", "0.18.1"),
    ("vllm.executor.ray_distributed_executor", "0.11.0", "0.12.0"),
    ("vllm.v1.engine.processor.Processor", "0.13.0", "0.14.1"),
    ("vllm.distributed.parallel_state.get_tp_group", "0.33.0", "0.5.0"),
    ("vllm.PoolingRequestOutput", "0.7.3", ""),
    ("vllm.v1.worker.gpu_worker.Worker", "0.6.6.post1", ""),
    ("vllm._C", "0.33.0", ""),
    ("vllm.vllm_flash_attn.flash_attn_varlen_func", "0.14.1", ""),  # vendored, in the GPU wheel only
    ("vllm.__version_tuple__", "0.33.0", ""),
]

# class or function, parameter, a release that takes it, a release that doesn't
PARAMETERS = [
    ("vllm.SamplingParams", "best_of", "0.11.0", "0.12.0"),
    ("vllm.SamplingParams", "guided_decoding", "0.11.0", "0.12.0"),
    ("vllm.SamplingParams", "structured_outputs", "0.11.0", "0.10.2"),
    ("vllm.SamplingParams", "logits_processors", "0.16.0", "0.18.1"),
    ("vllm.EngineArgs", "swap_space", "0.16.0", "0.18.1"),
    ("vllm.EngineArgs", "logprobs_mode", "0.10.2", "0.8.5"),
    ("vllm.EngineArgs", "async_scheduling", "0.10.2", "0.8.5"),
    ("vllm.EngineArgs", "num_scheduler_steps", "0.8.5", "0.11.0"),
    ("vllm.EngineArgs", "task", "0.8.5", "0.33.0"),
    ("vllm.EngineArgs", "device", "0.8.5", "0.18.1"),
    ("vllm.AsyncEngineArgs", "disable_log_requests", "0.8.5", "0.12.0"),
    ("vllm.AsyncEngineArgs", "enable_log_requests", "0.12.0", "0.8.5"),
    ("vllm.LLM.generate", "prompt_token_ids", "0.8.5", "0.10.2"),
    ("vllm.outputs.CompletionOutput", "weight_versions", "0.32.0", "0.29.0"),
    ("vllm.lora.request.LoRARequest", "lora_local_path", "0.8.5", "0.33.0"),
    ("vllm.sampling_params.StructuredOutputsParams", "disable_fallback", "0.17.1", "0.18.1"),
]

# kind, name, a release that has it, a release that doesn't
OUTSIDE = [
    ("variable", "VLLM_USE_V1", "0.11.0", "0.11.1"),
    ("variable", "VLLM_ATTENTION_BACKEND", "0.14.1", "0.16.0"),
    ("variable", "VLLM_MM_INPUT_CACHE_GIB", "0.12.0", "0.13.0"),
    ("variable", "VLLM_ENABLE_V1_MULTIPROCESSING", "0.33.0", ""),
    ("flag", "--swap-space", "0.16.0", "0.18.1"),
    ("flag", "--enable-reasoning", "0.8.5", "0.11.0"),
    ("flag", "--no-enable-prefix-caching", "0.33.0", ""),
    ("flag", "--no-enforce-eager", "0.33.0", "0.7.3"),
    ("flag", "--compilation-config.mode", "0.33.0", ""),
    ("flag", "--attention-backend=FLASH_ATTN", "0.33.0", "0.8.5"),
    ("flag", "--enable-log-requests", "0.12.0", "0.8.5"),
    ("flag", "--headless", "0.12.0", "0.8.5"),
    ("flag", "--api-key", "0.33.0", ""),
    ("flag", "-tp", "0.33.0", ""),
    ("flag", "--max_model_len", "0.33.0", ""),
]

# config, field, default source in a release
DEFAULTS = [
    ("vllm", "vllm.EngineArgs", "generation_config", "0.7.3", "None"),
    ("vllm", "vllm.EngineArgs", "generation_config", "0.8.5", "'auto'"),
    ("vllm", "vllm.EngineArgs", "logprobs_mode", "0.33.0", "'raw_logprobs'"),  # through ModelConfig
    ("vllm", "vllm.EngineArgs", "seed", "0.11.2", "None"),
    ("vllm", "vllm.EngineArgs", "seed", "0.12.0", "0"),
    ("vllm", "vllm.SamplingParams", "temperature", "0.33.0", "1.0"),
    ("trl", "trl.GRPOConfig", "temperature", "0.17.0", "0.9"),
    ("trl", "trl.GRPOConfig", "temperature", "0.18.2", "1.0"),
    ("trl", "trl.GRPOConfig", "beta", "0.18.2", "0.04"),
    ("trl", "trl.GRPOConfig", "beta", "0.19.1", "0.0"),
    ("trl", "trl.GRPOConfig", "loss_type", "0.22.2", "'dapo'"),
    ("trl", "trl.GRPOConfig", "vllm_mode", "0.29.1", "'server'"),
    ("trl", "trl.GRPOConfig", "vllm_mode", "1.0.0", "'colocate'"),
    ("trl", "trl.OnlineDPOConfig", "max_new_tokens", "0.14.0", "64"),
]


def vllm(version: str) -> Surface:
    return load_surface("vllm", version)


def test_every_needed_release_is_there() -> None:
    assert {Version(v) for v in NEEDED.split()} <= set(known_versions("vllm"))
    assert {Version(v) for v in NEEDED_TRL.split()} <= set(known_versions("trl"))
    assert list(known_versions("vllm")) == sorted(known_versions("vllm"))


@pytest.mark.parametrize(("name", "there", "missing"), IMPORTS)
def test_imports(name: str, there: str, missing: str) -> None:
    def has(surface: Surface) -> bool:
        module, _, last = name.rpartition(".")
        return surface.has_module(name) or surface.has_name(module, last)

    assert has(vllm(there))
    if missing == "0.5.0":
        with pytest.raises(FactsError):
            vllm(missing)
    elif missing:
        assert not has(vllm(missing))


@pytest.mark.parametrize(("owner", "parameter", "there", "missing"), PARAMETERS)
def test_parameters(owner: str, parameter: str, there: str, missing: str) -> None:
    assert parameter in (vllm(there).parameters(owner) or ())
    assert parameter not in (vllm(missing).parameters(owner) or ())


@pytest.mark.parametrize(("kind", "name", "there", "missing"), OUTSIDE)
def test_variables_and_flags(kind: str, name: str, there: str, missing: str) -> None:
    def has(surface: Surface) -> bool:
        return name in surface.variables if kind == "variable" else surface.has_flag(name)

    assert has(vllm(there))
    if missing:
        assert not has(vllm(missing))


@pytest.mark.parametrize(("package", "owner", "field", "version", "default"), DEFAULTS)
def test_defaults(package: str, owner: str, field: str, version: str, default: str) -> None:
    parameters = load_surface(package, version).parameters(owner)
    assert parameters is not None
    assert parameters[field] == default


def test_positions_of_sampling_params_shift() -> None:
    before, after = (list(vllm(v).parameters("vllm.SamplingParams") or ()) for v in ("0.11.0", "0.12.0"))
    assert before[:2] == ["n", "best_of"]
    assert after[:2] == ["n", "presence_penalty"]


def test_re_exports_lead_to_the_definition() -> None:
    surface = vllm("0.33.0")
    assert surface.locate("vllm.LLM") == ("vllm.entrypoints.llm", "LLM")
    assert surface.locate("vllm.AsyncLLMEngine") == ("vllm.v1.engine.async_llm", "AsyncLLM")
    assert vllm("0.8.5").locate("vllm.AsyncLLMEngine") == ("vllm.engine.async_llm_engine", "AsyncLLMEngine")
    assert surface.locate("vllm.worker.worker.Worker") is None


def test_names_that_collide_with_the_workers() -> None:
    worker = "vllm.v1.worker.gpu_worker.Worker"
    assert {"load_model", "init_device", "sleep", "wake_up", "add_lora"} <= vllm("0.8.5").methods(worker)
    assert "update_weights" not in vllm("0.8.5").methods(worker)
    assert {"update_weights", "reload_weights"} <= vllm("0.33.0").methods(worker)
    assert "vocab_size" in vllm("0.33.0").methods(worker)  # inherited from WorkerBase
    assert {"model_runner", "_sleep_saved_buffers"} <= vllm("0.33.0").members(worker)
    assert not any(name.startswith("_") for name in vllm("0.33.0").methods(worker))


def test_what_may_take_more_keywords_is_not_complete() -> None:
    surface = vllm("0.33.0")
    assert surface.is_complete("vllm.EngineArgs")
    assert surface.is_complete("vllm.SamplingParams")
    assert surface.is_complete("vllm.LLM.generate")
    assert not surface.is_complete("vllm.LLM")  # **kwargs reach EngineArgs
    assert not load_surface("trl", "1.0.0").is_complete("trl.GRPOConfig")  # transformers.TrainingArguments


def test_members_are_judged_only_where_they_can_be() -> None:
    surface = vllm("0.33.0")
    assert surface.has("vllm.vllm_flash_attn.flash_attn_varlen_func")
    assert surface.has("vllm._C.anything")
    assert surface.has("vllm.__file__")
    assert surface.has("vllm.LLM.generate")
    assert not surface.has("vllm.LLM.no_such_method")
    assert not surface.has("vllm.no_such_name")
    assert surface.has("vllm.model_executor.layers.linear.LinearBase.whatever")  # torch.nn.Module


@pytest.mark.parametrize(
    ("gone", "target", "now"),
    [
        ("vllm.worker.worker.Worker", "0.18.1", "vllm.v1.worker.gpu_worker.Worker"),
        ("vllm.worker.worker", "0.18.1", "vllm.v1.worker.gpu_worker"),
        ("vllm.utils.get_open_port", "0.18.1", "vllm.utils.network_utils.get_open_port"),
        ("vllm.model_executor.layers.sampler.Sampler", "0.11.0", "vllm.v1.sample.sampler.Sampler"),
        ("vllm.transformers_utils.tokenizer.get_tokenizer", "0.33.0", "vllm.tokenizers.get_tokenizer"),
        ("vllm.inputs.data.TokensPrompt", "0.33.0", "vllm.TokensPrompt"),
    ],
)
def test_where_a_name_went(gone: str, target: str, now: str) -> None:
    surface = vllm(target)
    places = surface.where_now(gone)
    assert places[0] == now
    for place in places:
        module, _, name = place.rpartition(".")
        assert surface.has_module(place) or surface.has_name(module, name)


@pytest.mark.parametrize(
    ("gone", "now"),
    [
        (
            "vllm.entrypoints.openai.protocol.LoadLoraAdapterRequest",
            "vllm.entrypoints.serve.lora.protocol.LoadLoRAAdapterRequest",
        ),
        (
            "vllm.model_executor.model_loader.loader._initialize_model",
            "vllm.model_executor.model_loader.utils.initialize_model",
        ),
        ("vllm.inputs.token_inputs", "vllm.inputs.tokens_input"),
        ("vllm.multimodal.inputs.MultiModalInputs", "vllm.inputs.MultiModalInput"),  # with the same fields
    ],
)
def test_a_name_is_found_under_another_spelling(gone: str, now: str) -> None:
    assert vllm("0.32.0").spelled_now(gone)[0] == now


@pytest.mark.parametrize(
    "gone",
    [
        "vllm.engine.async_llm_engine._AsyncLLMEngine",  # AsyncLLMEngine stood beside it
        "vllm.utils.print_warning_once",  # only _print_warning_once is like it
        "vllm.worker.worker",
        "vllm.core.scheduler.SchedulerOutputs",  # SchedulerOutput has other fields
        "vllm.multimodal.MultiModalInputs",  # in no release that is known
        "vllm.config.LoadFormat",  # an enumeration; LoadFormats is an alias of str
    ],
)
def test_what_was_beside_it_or_is_private_is_no_other_spelling(gone: str) -> None:
    assert vllm("0.32.0").spelled_now(gone) == ()


@pytest.mark.parametrize("gone", ["vllm.utils.Device", "vllm.inputs.ProcessorInputs"])
def test_a_class_takes_the_place_of_a_class_alone(gone: str) -> None:
    assert vllm("0.32.0").where_now(gone) == ()


def test_longer_names_count_where_they_came_after_it() -> None:
    surface = vllm("0.32.0")
    package = "vllm.model_executor.layers.fused_moe"
    assert surface.grown_now(f"{package}.FusedMoE") == (f"{package}.FusedMoEFactory",)
    assert surface.grown_now("vllm.never.FusedMoE") == ()


def test_names_of_other_packages_are_known_for_that() -> None:
    surface = vllm("0.32.0")
    assert surface.was_foreign("vllm.model_executor.model_loader.loader.nn")
    assert not surface.was_foreign("vllm.model_executor.model_loader.loader._initialize_model")


def test_classes_are_found_by_their_methods() -> None:
    assert "vllm.renderers.base.BaseRenderer" in vllm("0.32.0").classes_with("get_tokenizer")
    assert vllm("0.32.0").classes_with("no_such_method") == ()


def test_what_went_for_good_is_nowhere() -> None:
    assert vllm("0.18.1").where_now("vllm.worker.model_runner.GPUModelRunnerBase") == ()
    assert vllm("0.18.1").where_now("vllm.never.was.there") == ()


def test_the_nearest_release_before_answers_and_says_so() -> None:
    assert vllm("0.8.5.post1").release.version == "0.8.5"
    assert not vllm("0.8.5.post1").exact
    assert vllm("0.8.5").exact


@pytest.mark.parametrize(
    ("package", "version"),
    [("vllm", "0.6.0"), ("vllm", "99.0"), ("vllm", "newest"), ("torch", "2.0"), ("../vllm", "0.8.5")],
)
def test_what_is_not_known_is_refused(package: str, version: str) -> None:
    with pytest.raises(FactsError):
        load_surface(package, version)


def test_the_data_stay_small() -> None:
    files = [f for f in (Path(package_of_surfaces.__file__).parent / "data").rglob("*") if f.is_file()]
    assert files
    assert sum(f.stat().st_size for f in files) <= 3_000_000


def test_each_release_names_its_wheel() -> None:
    for package in ("vllm", "trl"):
        for version in known_versions(package):
            release = load_surface(package, str(version)).release
            assert release.wheel.split("-")[1] == release.version
            assert len(release.sha256) == 64
            assert release.unparsed == ()


def test_importing_reads_nothing_and_asking_reads_little() -> None:
    code = (
        "import builtins, time, zlib\n"
        "from vllm_migrate.facts.surface import store, load_surface\n"
        "assert store.load_store.cache_info().currsize == 0\n"
        "sizes = []\n"
        "whole = zlib.decompress\n"
        "from vllm_migrate.facts.surface import codec\n"
        "codec.zlib = type('Z', (), {'error': zlib.error,"
        " 'decompress': staticmethod(lambda d: sizes.append(len(d)) or whole(d))})\n"
        "surface = load_surface('vllm', '0.33.0')\n"
        "assert sizes == []\n"
        "assert not surface.has_name('vllm.worker.worker', 'Worker')\n"
        "assert len(sizes) <= 2 and sum(sizes) < 100_000, sizes\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_target_loads_within_its_budget() -> None:
    """50 ms of CPU on the machines this was measured on; the bound here only catches a broken design."""
    code = (
        "import time\n"
        "from vllm_migrate.facts.surface import load_surface\n"
        "start = time.process_time()\n"
        "surface = load_surface('vllm', '0.33.0')\n"
        "surface.has_name('vllm.worker.worker', 'Worker')\n"
        "surface.parameters('vllm.EngineArgs')\n"
        "print(time.process_time() - start)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert float(done.stdout) < 0.5
