from __future__ import annotations

import ast
import textwrap
import time
from pathlib import PurePosixPath

import pytest

from vllm_migrate.resolve.flow.follow import Follower
from vllm_migrate.resolve.flow.program import Program
from vllm_migrate.resolve.flow.values import Scalar, Unknown


def ask(files, settings=()):
    """What the argument of the one call of `here(...)` can be."""
    sources = {PurePosixPath(name): textwrap.dedent(text).encode() for name, text in files.items()}
    program = Program(sources)
    follower = Follower(program, tuple(PurePosixPath(one) for one in settings))
    for path in program.python:
        module = program.module(path)
        for call in module.syntax.all(ast.Call) if module is not None else ():
            if getattr(call.func, "id", "") == "here":
                return follower.ask(module, call.args[0])
    raise AssertionError("nobody calls here()")


def worth(values):
    return [value.value if isinstance(value, Scalar) else value.why for value in values]


DATACLASS = (
    "from dataclasses import asdict, dataclass, field\n@dataclass\nclass C:\n    n: int = {}\nhere({})"
)
PARSER = "import argparse\np = argparse.ArgumentParser()\np.add_argument({})\n"
CLASS = """\
class C:
    def __init__(self, n):
        self.n = n
    def f(self):
        here(self.n)
C(4)
"""
ACTOR = """\
import ray
class C:
    def __init__(self, n):
        here(n)
ray.remote(C).options(num_gpus=1).remote(n=8)
"""


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("A = 3\nhere(A)", [3]),
        ("def f():\n    x = 1\n    x = 2\n    here(x)", [2]),
        ("def f(flag):\n    if flag:\n        x = 1\n    else:\n        x = 2\n    here(x)", [1, 2]),
        ("here(2 * 8 + 1)", [17]),
        ("here(None or 0 or 5)", [5]),
        ("here(1 if 2 > 1 else 3)", [1]),
        ("here(dict(a=1, b={'c': 4})['b']['c'])", [4]),
        ("d = {'a': 1}\nd['a'] = 2\nhere(d['a'])", [2]),
        ("d = {}\nd.update(a=7)\nhere(d.get('a', 1))", [7]),
        ("here({'a': 1}.get('b', 9))", [9]),
        ("def f(x, y=5):\n    here(y)\nf(1)\nf(1, 6)", [5, 6]),
        ("def f(**kw):\n    here(kw['a'])\nf(a=3, b=4)", [3]),
        ("def f(x):\n    return x + 1\nhere(f(2))", [3]),
        (CLASS, [4]),
        (ACTOR, [8]),
        (DATACLASS.format("field(default=6)", "C().n"), [6]),
        (DATACLASS.format("6", "asdict(C(n=7))['n']"), [7]),
        (PARSER.format("'--top-k', type=int, default=5") + "here(p.parse_args().top_k)", [5]),
        (
            PARSER.format("'--eager', action='store_true'")
            + "args, _ = p.parse_known_args()\nhere(args.eager)",
            [False],
        ),
        ("a, (b, c) = 1, (2, 3)\nhere(c)", [3]),
    ],
)
def test_one_file(code, expected):
    assert worth(ask({"train.py": code})) == expected


def test_callers_in_other_files_and_relative_imports():
    files = {
        "pkg/__init__.py": "",
        "pkg/engine.py": "class Engine:\n    def __init__(self, options):\n        here(options['seed'])\n",
        "pkg/run.py": "from .engine import Engine\nfrom .constants import SEED\nEngine({'seed': SEED})\n",
        "pkg/constants.py": "SEED = 11\n",
        "other.py": "class Engine:\n    pass\nEngine()\n",
    }
    (value,) = ask(files)
    assert value.value == 11
    assert str(value.place) == "pkg/constants.py:1"


def test_settings_files_by_path_with_references():
    files = {
        "train.py": """\
        from omegaconf import OmegaConf
        cfg = OmegaConf.load("conf/run.yaml")
        here(cfg.engine.length)
        """,
        "conf/run.yaml": "data:\n  longest: 128\nengine:\n  length: ${data.longest}\n",
    }
    (value,) = ask(files)
    assert value.value == 128
    assert str(value.place) == "conf/run.yaml:4"


def test_hydra_composes_groups():
    files = {
        "train.py": """\
        import hydra
        @hydra.main(config_path="conf", config_name="main")
        def main(cfg):
            here(cfg.rollout.top_p)
        """,
        "conf/main.yaml": "defaults:\n  - rollout: vllm\n  - _self_\nseed: 1\n",
        "conf/rollout/vllm.yaml": "top_p: 0.8\n",
    }
    (value,) = ask(files)
    assert value.value == 0.8
    assert any("no overrides on the command line" in line for line in value.assumed)


UNTRACED = {
    "worker.py": "class Worker:\n    def __init__(self, config):\n        here(config.rollout.top_p)\n"
}


def test_keys_stand_in_for_an_object_nobody_hands_over_as_long_as_files_agree():
    one = {**UNTRACED, "a.yaml": "rollout:\n  top_p: 0.9\n"}
    (value,) = ask(one)
    assert value.value == 0.9
    assert value.assumed == ("config.rollout.top_p is rollout.top_p of a.yaml",)
    two = {**one, "b.yaml": "rollout:\n  top_p: 1.0\n"}
    (value,) = ask(two)
    assert isinstance(value, Unknown)
    assert "0.9 (a.yaml:2) or 1.0 (b.yaml:2)" in value.why
    (value,) = ask(two, settings=("b.yaml",))
    assert value.value == 1.0


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import os\nhere(os.getpid())", "os.getpid() is computed"),
        ("def f(x):\n    here(x)", "no call of f() gives x"),
        ("def f(n):\n    here(n)\n    f(n)", "goes in circles"),
        (
            PARSER.format("'--m', required=True") + "here(p.parse_args().m)",
            "--m is required on the command line",
        ),
        ("here(9 ** 9 ** 9)", "is computed"),
    ],
)
def test_dead_ends_say_why(code, why):
    (value,) = ask({"train.py": code})
    assert isinstance(value, Unknown)
    assert why in value.why


def test_everything_calling_everything_comes_to_an_end():
    functions = "\n".join(
        f"def f{i}(x):\n    " + "\n    ".join(f"f{j}(x + f{j}(x))" for j in range(12)) + "\n    return x"
        for i in range(12)
    )
    began = time.process_time()
    values = ask({"train.py": f"{functions}\ndef g(x):\n    here(f3(x))\ng(f5(1))\n"})
    assert values
    assert time.process_time() - began < 20
