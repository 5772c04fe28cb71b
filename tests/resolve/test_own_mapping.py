from __future__ import annotations

import ast

import pytest

from vllm_migrate.resolve.own_mapping import own_mapping
from vllm_migrate.resolve.syntax import Syntax


def found(source):
    module = ast.parse(source)
    calls = [n for n in ast.walk(module) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "LLM"]
    assert len(calls) == 1
    answer = own_mapping(Syntax(module), calls[0])
    return answer and (answer[0], answer[1].lineno)


@pytest.mark.parametrize(
    "source",
    [
        "def f(*args, **kw):\n    return LLM(*args, **kw)\n",
        "def f(*args, **kw):\n    kw['a'] = 1\n    return LLM(*args, **kw)\n",
        "def f(self, **kw):\n    super().__init__(**kw)\n    self.llm = LLM(**kw)\n",
        "def f(c):\n    kw = dict(c)\n    return LLM(**kw)\n",
        "def f(c):\n    kw = {} if c is None else dict(c)\n    return LLM(**kw)\n",
        "def f(c):\n    kw = {k: v for k, v in c.items()}\n    return LLM(**kw)\n",
        "def f(engine_args):\n    kw = dict(engine_args)\n    return LLM(**kw)\n",
        "def f(c):\n    kw = asdict(c)\n    kw = kw | c.extra\n    return LLM(**kw)\n",
        "def f(c):\n    kw = {**c}\n    if c.big:\n        kw.pop('a')\n    return LLM(**kw)\n",
        "async def f(**kw):\n    return await start(LLM(**kw))\n",
    ],
)
def test_dictionary_of_the_functions_own(source):
    lines = source.splitlines()
    assert found(source) == ("kw", next(i for i, line in enumerate(lines, 1) if "LLM(" in line))


@pytest.mark.parametrize(
    "source",
    [
        "kw = dict(c)\nllm = LLM(**kw)\n",
        "def f(kw):\n    return LLM(**kw)\n",
        "def f(self):\n    return LLM(**self.kw)\n",
        "def f(c):\n    kw = c.engine\n    return LLM(**kw)\n",
        "def f(c):\n    kw = c\n    kw = dict(kw) if c else kw\n    return LLM(**kw)\n",
        "def f(a, **kw):\n    return LLM(**a, **kw)\n",
        "def f(**kw):\n    return [LLM(**kw), Other(**kw)]\n",
        "def f(**kw):\n    llm = LLM(**kw)\n    other(kw)\n",
        "def f(**kw):\n    log(kw)\n    return LLM(**kw)\n",
        "def f(self, **kw):\n    self.kw = kw\n    return LLM(**kw)\n",
        "def f(**kw):\n    def build():\n        return LLM(**kw)\n    return build\n",
        "def f(**kw):\n    return lambda: LLM(**kw)\n",
        "def f(**kw):\n    if LLM(**kw):\n        pass\n",
        "def f(c):\n    return LLM(**c['engine'])\n",
        "def f(engine_args):\n    kw = asdict(engine_args)\n    return LLM(**kw)\n",
        "def f(c):\n    kw = dict(vars(c.engine_args))\n    return LLM(**kw)\n",
        "def f(p):\n    c = yaml.safe_load(p)\n    log(c)\n    return LLM(**c['engine'])\n",
        "def f(p):\n    c = OmegaConf.load(p)\n    return LLM(**c['engine'])\n",
        "def f(p, k):\n    c = yaml.safe_load(p)\n    return LLM(**c[k])\n",
        "def f(c):\n    (kw,) = [dict(c)]\n    return LLM(**kw)\n",
    ],
)
def test_dictionary_that_may_be_somebody_elses(source):
    assert found(source) is None


def test_section_of_settings_that_the_function_has_loaded():
    source = "def f(p):\n    c = yaml.safe_load(p)\n    t = c['t']\n    return LLM(**c['engine'], t=t)\n"
    assert found(source) == ('c["engine"]', 4)
