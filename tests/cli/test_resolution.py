"""The ways code reaches an engine, each through the whole command: what is edited, said and left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

CERTAIN = {
    "alias": """\
from vllm import LLM as L
def f(): return L('m', swap_space=4)
""",
    "module alias": """\
import vllm as v
def f(): return v.LLM('m', swap_space=4)
""",
    "local import": """\
def f():
    from vllm import LLM
    return LLM('m', swap_space=4)
""",
    "conditional": """\
import sys
if sys.platform:
    from vllm import LLM
else:
    LLM = None
def f(): return LLM('m', swap_space=4)
""",
    "try": """\
try:
    from vllm import LLM
except ImportError:
    LLM = None
def f(): return LLM('m', swap_space=4)
""",
    "other name": """\
from vllm import LLM
L = LLM
def f(): return L('m', swap_space=4)
""",
    "partial": """\
import functools
from vllm import LLM
make = functools.partial(LLM, 'm', swap_space=4)
def f(): return make()
""",
    "call of a partial": """\
from functools import partial
from vllm import LLM
make = partial(LLM, 'm')
def f(): return make(swap_space=4)
""",
    "ray.remote": """\
import ray
from vllm import LLM
def f(): return ray.remote(LLM).options(num_gpus=1).remote('m', swap_space=4)
""",
    "super": """\
from vllm import LLM
class M(LLM):
    def __init__(self):
        super().__init__('m', swap_space=4)
""",
    "literal": """\
from vllm import LLM
def f():
    kw = {'seed': 1, 'swap_space': 4}
    return LLM('m', **kw)
""",
    "dict()": """\
from vllm import LLM
def f():
    kw = dict(seed=1, swap_space=4)
    return LLM('m', **kw)
""",
    "item": """\
from vllm import LLM
def f():
    kw = {'seed': 1}
    kw['swap_space'] = 4
    return LLM('m', **kw)
""",
    "update": """\
from vllm import LLM
def f():
    kw = {}
    kw.update({'seed': 1, 'swap_space': 4})
    return LLM('m', **kw)
""",
    "update()": """\
from vllm import LLM
def f():
    kw = {}
    kw.update(seed=1, swap_space=4)
    return LLM('m', **kw)
""",
    "union": """\
from vllm import LLM
def f():
    kw = {'seed': 1} | {'dtype': 'auto', 'swap_space': 4}
    return LLM('m', **kw)
""",
    "nested": """\
from vllm import LLM
BASE = {'seed': 1, 'swap_space': 4}
def f(): return LLM('m', **{**BASE, 'dtype': 'auto'})
""",
    "engine arguments": """\
from vllm import EngineArgs, LLMEngine
def f(): return LLMEngine.from_engine_args(EngineArgs(model='m', swap_space=4))
""",
}
LIKELY = {
    "star": """\
from vllm import *
def f(): return LLM('m', swap_space=4)
""",
    "actor": """\
import ray
from vllm import LLM
@ray.remote
class A:
    def __init__(self, **kw):
        self.llm = LLM(**kw)
def f(): return A.remote(model='m', swap_space=4)
""",
    "subclass": """\
from vllm import LLM
class M(LLM): pass
def f(): return M('m', swap_space=4)
""",
    "either": """\
from vllm import LLM
def f(x):
    kw = {'swap_space': 4} if x else {'seed': 1}
    return LLM('m', **kw)
""",
}
ELSEWHERE = {
    "re-export": {
        "pkg/__init__.py": "",
        "pkg/compat.py": "from vllm import LLM\n",
        "pkg/use.py": "from pkg.compat import LLM\ndef f(): return LLM('m', swap_space=4)\n",
    },
    "relative": {
        "pkg/__init__.py": "",
        "pkg/compat.py": "from vllm import LLM\n",
        "pkg/sub/__init__.py": "",
        "pkg/sub/use.py": "from ..compat import LLM as E\ndef f(): return E('m', swap_space=4)\n",
    },
    "package": {
        "pkg/__init__.py": "from .compat import Engine\n",
        "pkg/compat.py": "import vllm\nEngine = vllm.LLM\n",
        "use.py": "import pkg\ndef f(): return pkg.Engine('m', swap_space=4)\n",
    },
}
NOTHING = {
    "generate of the user's own": """\
from vllm import LLM
class M:
    def generate(self, prompt_token_ids=None): return LLM
def f(): return M().generate(prompt_token_ids=[1])
""",
    "class of another": """\
from other import LLM
def f(): return LLM('m', swap_space=4)
""",
    "class of the user's own": """\
class LLM: pass
def f(): return LLM('m', swap_space=4)
""",
    "shadowed": """\
from vllm import LLM
def f(LLM): return LLM('m', swap_space=4)
""",
    "dictionary of another": """\
from vllm import LLM
def f(g):
    kw = {'swap_space': 4}
    return g(**kw), LLM('m')
""",
}


def gone(text: str) -> bool:
    return "swap_space" not in text


@pytest.mark.parametrize("name", CERTAIN)
def test_edited(run, project: Path, name: str) -> None:
    (project / "a.py").write_text(CERTAIN[name])
    run("rewrite", ".", "--allow-dirty", "--select", "VM2")
    after = (project / "a.py").read_text()
    assert gone(after)
    compile(after, "a.py", "exec")
    assert run("rewrite", ".", "--allow-dirty", "--select", "VM2").code == 0
    assert (project / "a.py").read_text() == after


@pytest.mark.parametrize("name", LIKELY)
def test_edited_where_a_reader_agrees(run, project: Path, name: str) -> None:
    (project / "a.py").write_text(LIKELY[name])
    assert run("rewrite", ".", "--allow-dirty", "--select", "VM2").code == 1
    assert (project / "a.py").read_text() == LIKELY[name]
    run("rewrite", ".", "--allow-dirty", "--unsafe-fixes", "--select", "VM2")
    assert gone((project / "a.py").read_text())


@pytest.mark.parametrize("name", ELSEWHERE)
def test_through_other_files(run, project: Path, name: str) -> None:
    for path, text in ELSEWHERE[name].items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text)
    run("rewrite", ".", "--allow-dirty", "--select", "VM2")
    assert all(gone((project / path).read_text()) for path in ELSEWHERE[name])


@pytest.mark.parametrize("name", NOTHING)
def test_left_alone(run, project: Path, name: str) -> None:
    (project / "a.py").write_text(NOTHING[name])
    done = run("rewrite", ".", "--allow-dirty", "--unsafe-fixes", "--select", "VM2,VM4")
    assert done.code == 0
    assert (project / "a.py").read_text() == NOTHING[name]


def test_a_guess_by_name_alone_is_a_note_without_an_edit(run, project: Path) -> None:
    text = "from vllm import SamplingParams\ndef f(llm): return llm.generate(prompt_token_ids=[1])\n"
    (project / "a.py").write_text(text)
    done = run("rewrite", ".", "--allow-dirty", "--unsafe-fixes", "--select", "VM401")
    assert "a.py:2:33  VM401 prompt-token-ids  [manual]" in done.out
    assert done.code == 0
    assert (project / "a.py").read_text() == text
    assert run("check", ".", "--select", "VM401", "--fail-on", "note").code == 1
