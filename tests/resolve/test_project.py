"""Names that reach a file through the project's own modules."""

from __future__ import annotations

from pathlib import PurePosixPath
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from vllm_migrate.files.located import Certainty
from vllm_migrate.files.prefilter import worth_parsing
from vllm_migrate.resolve.project import ProjectIndex, build_index
from vllm_migrate.resolve.python import read_python

if TYPE_CHECKING:
    from vllm_migrate.files.file_facts import FileFacts


def project(**modules: str) -> tuple[ProjectIndex, dict[str, bytes]]:
    sources = {f"{name.replace('__', '/')}.py": dedent(code).encode() for name, code in modules.items()}
    sources = {path.replace("/init.py", "/__init__.py"): code for path, code in sources.items()}
    for path in [PurePosixPath(p) for p in sources]:
        for folder in path.parents[:-1]:
            sources.setdefault(f"{folder}/__init__.py", b"")
    return build_index((PurePosixPath(p), s) for p, s in sources.items()), sources


def read(index: ProjectIndex, sources: dict[str, bytes], path: str) -> FileFacts:
    return read_python(PurePosixPath(path), sources[path], index, None)


@pytest.mark.parametrize(
    ("compat", "use"),
    [
        ("from vllm import LLM", "from pkg.compat import LLM\nLLM(swap_space=4)"),
        ("from vllm import LLM", "from .compat import LLM as E\nE(swap_space=4)"),
        ("from vllm import LLM", "from .compat import *\nLLM(swap_space=4)"),
        ("from vllm import LLM", "from pkg import compat\ncompat.LLM(swap_space=4)"),
        ("from vllm import LLM", "import pkg.compat\npkg.compat.LLM(swap_space=4)"),
        ("from vllm import LLM", "import pkg.compat as c\nc.LLM(swap_space=4)"),
        ("import vllm", "from pkg.compat import vllm\nvllm.LLM(swap_space=4)"),
        ("from vllm import *", "from pkg.compat import LLM\nLLM(swap_space=4)"),
        ("import vllm\nEngine = vllm.LLM", "from pkg.compat import Engine\nEngine(swap_space=4)"),
        ("from vllm import LLM\nclass Mine(LLM): pass", "from pkg.compat import Mine\nMine(swap_space=4)"),
        (
            "from vllm import LLM\ndef make(**kwargs):\n    return LLM(**kwargs)",
            "from pkg.compat import make\nmake(swap_space=4)",
        ),
        (
            (
                "import ray\nfrom vllm import LLM\n@ray.remote\nclass Actor:\n    def __init__(self, **k):\n"
                "        self.llm = LLM(**k)"
            ),
            "from pkg.compat import Actor\nActor.options(x=1).remote(swap_space=4)",
        ),
    ],
)
def test_an_engine_through_another_module(compat, use):
    index, sources = project(pkg__compat=compat, pkg__use=use)
    facts = read(index, sources, "pkg/use.py")
    (call,) = [c for c in facts.calls if c.arguments]
    assert (call.target, [a.name for a in call.arguments]) == ("vllm.LLM", ["swap_space"])
    assert PurePosixPath("pkg/use.py") in index.concerned


def test_re_exports_of_re_exports():
    index, sources = project(
        pkg__a="from vllm import LLM",
        pkg__b="from .a import LLM",
        pkg__c="from .b import *",
        pkg__d="from .c import LLM\nLLM(swap_space=4)",
    )
    assert [c.target for c in read(index, sources, "pkg/d.py").calls] == ["vllm.LLM"]


def test_a_package_re_exports_in_its_init():
    index, sources = project(
        pkg__inner__init="from .engine import LLM",
        pkg__inner__engine="from vllm import LLM",
        pkg__use="from pkg.inner import LLM\nLLM(swap_space=4)",
    )
    assert [c.target for c in read(index, sources, "pkg/use.py").calls] == ["vllm.LLM"]


def test_an_attribute_a_base_class_of_another_module_sets():
    index, sources = project(
        pkg__base="from vllm import LLM\nclass Base:\n    def __init__(self):\n"
        "        self.engine = LLM('m')",
        pkg__use="from .base import Base\nclass Mine(Base):\n    def go(self):\n"
        "        self.engine.generate(prompt_token_ids=x)",
    )
    (call,) = read(index, sources, "pkg/use.py").calls
    assert (call.target, call.certainty) == ("vllm.LLM.generate", Certainty.LIKELY)


def test_a_function_of_another_module_that_returns_an_engine():
    index, sources = project(
        pkg__make="from vllm import LLM\ndef make():\n    return LLM('m')",
        pkg__use="from .make import make\nllm = make()\nllm.generate(prompt_token_ids=x)",
    )
    assert [c.target for c in read(index, sources, "pkg/use.py").calls] == ["vllm.LLM.generate"]


def test_a_vendored_twin_beside_the_real_one_is_likely():
    index, sources = project(
        pkg__engine__init="from importlib.metadata import version\nv = version('vllm')\n"
        "if v == '0.5.4':\n    from .old.llm import LLM\nelse:\n    from vllm import LLM",
        pkg__use="from pkg.engine import LLM\nllm = LLM('m')\nllm.generate(prompt_token_ids=x)",
    )
    calls = read(index, sources, "pkg/use.py").calls
    assert [(c.target, c.certainty) for c in calls] == [
        ("vllm.LLM", Certainty.LIKELY),
        ("vllm.LLM.generate", Certainty.LIKELY),
    ]


def test_modules_below_a_source_folder():
    index = build_index(
        [
            (PurePosixPath("src/pkg/__init__.py"), b""),
            (PurePosixPath("src/pkg/compat.py"), b"from vllm import LLM\n"),
        ]
    )
    assert index.resolve("pkg.compat", "LLM") is not None
    assert index.resolve("compat", "LLM") is None


def test_a_folder_called_vllm_does_not_hide_vllm():
    index, sources = project(
        pkg__vllm__init="from vllm import LLM", pkg__use="from vllm import LLM\nLLM('m')"
    )
    (call,) = read(index, sources, "pkg/use.py").calls
    assert (call.target, call.certainty) == ("vllm.LLM", Certainty.CERTAIN)


def test_files_that_take_other_names_are_not_drawn_in():
    index, _ = project(
        pkg__compat="from vllm import LLM\ndef helper(): pass",
        pkg__use="from pkg.compat import helper\nhelper()",
        pkg__far="import torch",
    )
    assert index.concerned == frozenset()
    assert index.names == {"LLM"}


def test_speed_does_not_cost_recall():
    index, sources = project(
        pkg__compat="from vllm import LLM as Engine",
        pkg__use="from pkg.compat import Engine\nEngine(swap_space=4)",
    )
    assert not worth_parsing(sources["pkg/use.py"])
    assert PurePosixPath("pkg/use.py") in index.concerned
    assert worth_parsing(sources["pkg/use.py"], index.names)


def test_modules_that_import_each_other_come_to_an_end():
    index, _ = project(
        pkg__a="from vllm import LLM\nfrom .b import X",
        pkg__b="from .a import LLM\nfrom .a import *\nX = LLM",
    )
    assert index.resolve("pkg.b", "X") is not None


def test_an_unreadable_module_is_passed_over():
    index, _ = project(pkg__bad="import vllm\ndef (", pkg__good="from vllm import LLM")
    assert index.resolve("pkg.good", "LLM") is not None


def test_the_tree_of_trl_itself_is_not_code_that_uses_trl():
    index, sources = project(
        trl__config="class GRPOConfig: pass", trl__use="from trl.config import GRPOConfig\nGRPOConfig(x=1)"
    )
    assert read(index, sources, "trl/use.py").calls == ()
