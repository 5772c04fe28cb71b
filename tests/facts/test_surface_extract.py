"""From sources in a wheel to answers: small packages with the constructs that vLLM and TRL use."""

from __future__ import annotations

import hashlib
import json
import zipfile
from typing import TYPE_CHECKING

import pytest

from vllm_migrate.facts.surface.extract import main, read_documents
from vllm_migrate.facts.surface.lookup import Surface
from vllm_migrate.facts.surface.source import read_module
from vllm_migrate.facts.surface.store import Store
from vllm_migrate.facts.surface.wheel import read_wheel

if TYPE_CHECKING:
    from pathlib import Path

SOURCES = {
    "__init__.py": """
        import typing
        from .version import __version__
        MODULE_ATTRS = {"LLM": ".entrypoints.llm:LLM", "Params": ".params:Params"}
        if typing.TYPE_CHECKING:
            from vllm.entrypoints.llm import LLM
            from vllm.params import Params
        else:
            def __getattr__(name):
                return MODULE_ATTRS[name]
        __all__ = ["LLM", "Params"]
    """,
    "version.py": "__version__ = '1'",
    "envs.py": """
        import os
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            VLLM_USE_V1: bool = True
        environment_variables = {
            "VLLM_USE_V1": lambda: os.getenv("VLLM_USE_V1", "1"),
            "LOCAL_RANK": lambda: os.environ.get("LOCAL_RANK", "0"),
        }
        def __getattr__(name):
            return environment_variables[name]()
    """,
    "params.py": """
        import msgspec
        from msgspec import field
        from typing import ClassVar
        class Params(msgspec.Struct, kw_only=False):
            n: int = 1
            stop: list = field(default_factory=list)
            kind: ClassVar[str] = "x"
            def copy(self): ...
            @property
            def greedy(self): ...
    """,
    "config/__init__.py": "from vllm.config.model import *\nfrom vllm.config.model import ModelConfig",
    "config/model.py": """
        from dataclasses import dataclass, field, InitVar
        from pydantic import Field
        __all__ = ["ModelConfig", "config"]
        def config(cls): return cls
        @config
        @dataclass
        class ModelConfig:
            model: str = "facebook/opt"
            seed: int = Field(default=0, ge=0)
            eager: bool = False
            names: list = field(default_factory=lambda: ["*"])
            hidden: int = field(init=False, default=1)
    """,
    "engine/arg_utils.py": """
        import argparse
        import dataclasses
        from vllm.config import ModelConfig
        from vllm.utils import get_field
        @dataclasses.dataclass
        class EngineArgs:
            model: str = ModelConfig.model
            seed: int = get_field(ModelConfig, "seed")
            required: int
            @staticmethod
            def add_cli_args(parser):
                model_kwargs = get_kwargs(ModelConfig)
                group = parser.add_argument_group("x")
                group.add_argument("--model", "-m", **model_kwargs["model"])
                group.add_argument("--enforce_eager", **{**model_kwargs["eager"], "default": None})
                group.add_argument("--old", action="store_true", dest="new_name")
                return parser
        class AsyncEngineArgs(EngineArgs):
            log: bool = False
    """,
    "entrypoints/llm.py": """
        from typing import overload
        import torch
        from vllm.params import Params as P
        try:
            import fast
        except ImportError:
            fast = None
        class Base:
            def close(self): ...
        class LLM(Base):
            LEGACY = True
            def __init__(self, model, *, seed=None, **kwargs):
                self.engine = None
            @overload
            def generate(self, prompts): ...
            @overload
            def generate(self, prompts, params): ...
            def generate(self, prompts, params=None, /, *args, use_tqdm=True): ...
            @classmethod
            def make(cls, a): ...
            @staticmethod
            def plain(a): ...
        Alias = LLM
        class Tower(torch.nn.Module):
            pass
    """,
    "entrypoints/openai/cli_args.py": """
        from dataclasses import dataclass
        @dataclass
        class FrontendArgs:
            host: str = None
            quiet_mode: bool = False
            @staticmethod
            def add_cli_args(parser):
                for key, value in get_kwargs(FrontendArgs).items():
                    parser.add_argument(f"--{key.replace('_', '-')}", **value)
    """,
    "utils.py": """
        import os
        def get_field(cls, name): ...
        def get_open_port(): return os.environ["VLLM_PORT"]
        if __name__ == "__main__":
            script_only = 1
        def _set():
            global late
            late = 1
    """,
    "model_executor/models/qwen.py": "class Qwen:\n    def forward(self): ...",
    "third_party/pynvml.py": "def nvmlInit(): ...",
    "proto_pb2.py": "x = build()",
    "dynamic.py": "globals().update(a=1)",
    "new_syntax.py": "def (",
    "tests/test_x.py": "a = 1",
    "_C.abi3.so": "",
}


def make_wheel(directory: Path, version: str, sources: dict[str, str], package: str = "vllm") -> Path:
    wheel = directory / f"{package}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in sources.items():
            lines = text.split("\n")
            if not lines[0].strip():
                text = "\n".join(line[8:] for line in lines)  # noqa: PLW2901 - dedented
            archive.writestr(f"{package}/{name}", text)
    return wheel


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two releases, the newer one extracted first."""
    directory = tmp_path_factory.mktemp("surfaces")
    newer = {**SOURCES, "net/ports.py": "def get_open_port(): ...", "net/__init__.py": ""}
    newer["utils.py"] = SOURCES["utils.py"].replace("get_open_port", "other")
    newer["entrypoints/llm.py"] = SOURCES["entrypoints/llm.py"].replace("params=None", "params=0")
    assert main(["vllm", "2.0", str(make_wheel(directory, "2.0", newer)), "--data", str(directory)]) == 0
    assert main(["vllm", "1.0", str(make_wheel(directory, "1.0", SOURCES)), "--data", str(directory)]) == 0
    return directory


def surface(data: Path, version: str) -> Surface:
    documents = read_documents(data / "vllm")
    store = Store("vllm", data / "vllm", tuple(document.release for document in documents))
    index = [release.version for release in store.releases].index(version)
    return Surface("vllm", store, index, exact=True)


def test_releases_are_sorted_and_carry_their_wheels(data: Path) -> None:
    rows = json.loads((data / "vllm" / "releases.json").read_text())["releases"]
    assert [row["version"] for row in rows] == ["1.0", "2.0"]
    wheel = data / "vllm-1.0-py3-none-any.whl"
    assert rows[0]["sha256"] == hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert rows[0]["unparsed"] == ["vllm.new_syntax"]


def test_reading_back_gives_the_documents_that_were_written(data: Path) -> None:
    for document in read_documents(data / "vllm"):
        wheel = data / document.release.wheel
        assert document == read_wheel(wheel, "vllm", document.release.version)


def test_modules_and_names(data: Path) -> None:
    old = surface(data, "1.0")
    assert old.has_module("vllm.entrypoints")  # a directory without __init__.py
    assert old.has_name("vllm", "LLM")
    assert old.has_name("vllm", "entrypoints")
    assert old.has_name("vllm.config", "config")  # through a star
    assert not old.has_name("vllm.config", "dataclass")  # not in __all__
    assert old.has_name("vllm.entrypoints.llm", "fast")
    assert old.has_name("vllm.entrypoints.llm", "torch")
    assert old.has_name("vllm.envs", "VLLM_USE_V1")
    assert old.has_name("vllm.utils", "late")
    assert not old.has_name("vllm.utils", "script_only")
    assert not old.has_name("vllm.utils", "nothing")
    assert not old.has_module("vllm.tests.test_x")
    assert not old.has_module("vllm.none")
    assert not old.has_name("vllm.none", "a")


def test_what_cannot_be_seen_is_not_called_missing(data: Path) -> None:
    old = surface(data, "1.0")
    opaque = ("third_party.pynvml", "proto_pb2", "dynamic", "new_syntax", "_C", "cumem_allocator")
    for module in opaque:
        assert old.has_name(f"vllm.{module}", "anything"), module
    assert old.has("vllm.entrypoints.llm.Tower.anything")
    assert not old.has("vllm.LLM.anything")
    assert old.has("vllm.LLM.engine")
    assert old.has("vllm.LLM.close")


def test_signatures(data: Path) -> None:
    old = surface(data, "1.0")
    assert old.parameters("vllm.LLM") == {"model": "", "*": "", "seed": "None", "**kwargs": ""}
    assert old.parameters("vllm.LLM.generate") == {
        "prompts": "",
        "params": "None",
        "/": "",
        "*args": "",
        "use_tqdm": "True",
    }
    assert surface(data, "2.0").parameters("vllm.entrypoints.llm.Alias.generate") == {
        "prompts": "",
        "params": "0",
        "/": "",
        "*args": "",
        "use_tqdm": "True",
    }
    assert old.parameters("vllm.LLM.close") == {}
    assert old.parameters("vllm.LLM.make") == {"a": ""}
    assert old.parameters("vllm.LLM.plain") == {"a": ""}
    assert old.parameters("vllm.Params") == {"n": "1", "stop": "list()"}
    assert old.parameters("vllm.Params.greedy") is None
    assert old.parameters("vllm.nothing") is None


def test_fields_follow_the_configs_they_come_from(data: Path) -> None:
    old = surface(data, "1.0")
    assert old.parameters("vllm.config.ModelConfig") == {
        "model": "'facebook/opt'",
        "seed": "0",
        "eager": "False",
        "names": "['*']",
    }
    expected = {"model": "'facebook/opt'", "seed": "0", "required": ""}
    assert old.parameters("vllm.engine.arg_utils.EngineArgs") == expected
    # No dataclass itself: the annotation of `log` makes no parameter.
    assert old.parameters("vllm.engine.arg_utils.AsyncEngineArgs") == expected


def test_model_implementations_have_names_only(data: Path) -> None:
    old = surface(data, "1.0")
    assert old.has_name("vllm.model_executor.models.qwen", "Qwen")
    assert old.methods("vllm.model_executor.models.qwen.Qwen") == frozenset()


def test_variables_and_flags(data: Path) -> None:
    old = surface(data, "1.0")
    assert old.variables == {"LOCAL_RANK": "", "VLLM_PORT": "", "VLLM_USE_V1": "True"}
    assert old.flags == {
        "--help": "help",
        "-h": "help",
        "--model": "model",
        "-m": "model",
        "--enforce-eager": "enforce_eager",
        "--no-enforce-eager": "enforce_eager",
        "--old": "new_name",
        "--host": "host",
        "--quiet-mode": "quiet_mode",
        "--no-quiet-mode": "quiet_mode",
    }


def test_where_a_name_went(data: Path) -> None:
    assert surface(data, "2.0").where_now("vllm.utils.get_open_port") == ("vllm.net.ports.get_open_port",)
    assert surface(data, "1.0").where_now("vllm.net.ports.get_open_port") == ("vllm.utils.get_open_port",)


def test_trl_style_lazy_imports() -> None:
    source = b"""
import sys
from typing import TYPE_CHECKING
_import_structure = {"trainer": ["GRPOConfig"], "extras": []}
if TYPE_CHECKING:
    from .trainer import GRPOConfig
else:
    sys.modules[__name__] = LazyModule(__name__, _import_structure)
"""
    module = read_module(source, "trl", is_package=True, with_shapes=True)
    assert module.names["GRPOConfig"] == "trl.trainer:GRPOConfig"


def test_the_last_binding_counts_and_relative_imports_resolve() -> None:
    source = b"""
from ..a import x
from . import y
import vllm.envs as envs
class Engine: ...
from vllm.v1 import Engine as V1
Engine = V1
del y
"""
    module = read_module(source, "vllm.b.c", is_package=False, with_shapes=False)
    assert module.names["x"] == "vllm.a:x"
    assert module.names["Engine"] == "vllm.v1:Engine"
    assert module.names["envs"] == "vllm.envs:"
    assert "y" not in module.names


@pytest.mark.parametrize(
    ("version", "name", "content", "message"),
    [
        ("1.0", "vllm-1.0-py3-none-any.whl", b"no zip", "no readable wheel"),
        ("1.0", "vllm-1.0-py3-none-any.whl", None, "no readable wheel"),
        ("2.0", "vllm-1.0-py3-none-any.whl", b"", "is not version 2.0"),
        ("1.0", "vllm.zip", b"", "not named like a wheel"),
        ("one", "vllm-1.0-py3-none-any.whl", b"", "is no version"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    *,
    version: str,
    name: str,
    content: bytes | None,
    message: str,
) -> None:
    wheel = tmp_path / name
    if content is not None:
        wheel.write_bytes(content)
    assert main(["vllm", version, str(wheel), "--data", str(tmp_path / "data")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_another_package_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel = make_wheel(tmp_path, "1.0", {"__init__.py": ""}, package="trl")
    assert main(["vllm", "1.0", str(wheel), "--data", str(tmp_path / "data")]) == 2
    assert "holds no package vllm" in capsys.readouterr().err


def test_reading_a_release_again_replaces_it(data: Path, tmp_path: Path) -> None:
    changed = make_wheel(tmp_path, "2.0", {"__init__.py": "only = 1"})
    store = tmp_path / "vllm"
    store.mkdir()
    for file in (data / "vllm").iterdir():
        (store / file.name).write_bytes(file.read_bytes())
    assert main(["vllm", "2.0", str(changed), "--data", str(tmp_path)]) == 0
    assert not surface(tmp_path, "2.0").has_module("vllm.utils")
    assert surface(tmp_path, "1.0").has_module("vllm.utils")
    assert not list(store.glob("*.new"))
