"""Every form in which people write rewards is called as its author meant it, or it is asked which it is."""

from __future__ import annotations

import functools
import sys
import textwrap
from pathlib import Path

import pytest

from vllm_migrate.errors import RewardError, UsageError
from vllm_migrate.reward.calling.function import FunctionScorer
from vllm_migrate.reward.calling.inside.loaded import Refused
from vllm_migrate.reward.calling.inside.styles import style_of
from vllm_migrate.reward.calling.named_reward import RewardFunction, parse_weighted
from vllm_migrate.reward.sample import Sample, Score

SAMPLES = [
    Sample("2+2?", "it is 4", {"answer": "4", "data_source": "sums"}, answer="4", token_ids=(7, 8)),
    Sample("3+3?", "it is 5", {"answer": "6", "data_source": "sums"}, answer="6", token_ids=(9,)),
]


def scored(tmp_path, code, name="reward", **options):
    path = tmp_path / "rewards.py"
    path.write_text(textwrap.dedent(code))
    with FunctionScorer(RewardFunction(path, name), **options) as scorer:
        return scorer.score(SAMPLES)


BODY = "return R(completions, answer)"
ONE = "return one(solution_str, ground_truth)"
DICT = "return {'score': one(solution_str, ground_truth), 'acc': True}"
FORMS = [
    (f"def reward(prompts, completions, answer, **kwargs): {BODY}", "reward"),
    (f"def reward(completions, answer): {BODY}", "reward"),
    ("def reward(completions, *, answer, **_): return (r for r in R(completions, answer))", "reward"),
    (f"async def reward(completions, answer, **_): {BODY}", "reward"),
    (f"class Reward:\n    def __call__(self, completions, answer, **_): {BODY}", "Reward"),
    (f"class C:\n    def r(self, completions, answer, **_): {BODY}\nreward = C().r", "reward"),
    (f"class C:\n    @staticmethod\n    def r(completions, answer, **_): {BODY}", "C.r"),
    (f"def f(pad, completions, answer, **_): {BODY}\nreward = partial(f, 1)", "reward"),
    (f"def f(completions, answer, low, **_): {BODY}\nreward = partial(f, low=1)", "reward"),
    (f"def verl(data_source, solution_str, ground_truth, extra_info=None): {ONE}", "verl"),
    (f"def verl(data_source, solution_str, ground_truth, extra_info):\n    {DICT}", "verl"),
    (f"def verl(solution_str, ground_truth, method='strict', **kwargs): {ONE}", "verl"),
    (f"async def verl(data_source, solution_str, ground_truth, extra_info=None): {ONE}", "verl"),
    ("def reward(text): return one(text, '4')", "reward"),
    ("def reward(x): return one(x, '4')", "reward"),
    ("reward = lambda completion: one(completion, '4')", "reward"),
    ("def reward(prompt, response): return float(prompt[:1] == '2' and response == 'it is 4')", "reward"),
    ("def reward(response, ground_truth, tolerance=0): return one(response, ground_truth)", "reward"),
    (
        "def reward(question, completion, answer): return one(completion, answer) * ('?' in question)",
        "reward",
    ),
    ("def reward(text, answer, /): return one(text, answer)", "reward"),
    ("async def reward(text, answer): return one(text, answer)", "reward"),
]


@pytest.mark.parametrize(("code", "name"), FORMS)
def test_a_form_is_known_by_its_signature(tmp_path, code, name):
    helpers = (
        "from functools import partial\n"
        "def one(text, answer): return float(text.split()[-1] == answer)\n"
        "def R(texts, answers): return [one(t, a) for t, a in zip(texts, answers, strict=True)]\n"
    )
    assert scored(tmp_path, helpers + code, name) == [Score(1.0), Score(0.0)]


@pytest.mark.parametrize(
    "function",
    [
        lambda a, b: (a, b),
        lambda texts: texts,
        lambda *args: args,
        lambda **kwargs: kwargs,
        lambda question, answer: (question, answer),
        lambda prompt: prompt,
        lambda text, response: (text, response),
        lambda completion, difficulty: (completion, difficulty),
        lambda text, *, strict: (text, strict),
        dict.fromkeys,
    ],
)
def test_what_can_be_called_in_several_ways_is_asked_for(function):
    with pytest.raises(Refused, match="--style"):
        style_of(function, "auto")


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda completions, **_: completions, "TRL's form"),
        (lambda solution_str, ground_truth: (solution_str, ground_truth), "verl's form"),
        (lambda response, gold: (response, gold), "response is the completion, gold the reference answer"),
        (lambda q, text="": (q, text), ""),
        (functools.partial(lambda prompt, text: (prompt, text), "p"), "text is the completion"),
    ],
)
def test_it_says_for_what_it_took_it(function, said):
    if said:
        assert said in style_of(function, "auto").said.replace(" is the reference", " the reference")
    else:
        with pytest.raises(Refused):
            style_of(function, "auto")


@pytest.mark.parametrize(
    ("style", "code"),
    [
        ("text", "def reward(a, b=None): return float(a == 'it is 4' and b is None)"),
        ("prompt-text", "def reward(a, b): return float((a, b) == ('2+2?', 'it is 4'))"),
        ("text-answer", "def reward(a, b): return float((a, b) == ('it is 4', '4'))"),
        ("prompt-text-answer", "def reward(*a): return float(a == ('2+2?', 'it is 4', '4'))"),
        ("trl", "def reward(**k): return [float(a == '4') for a in k['answer']]"),
        ("verl", "def reward(**k): return float(k['solution_str'] == 'it is 4')"),
        ("text", "import operator\nreward = operator.methodcaller('endswith', '4')"),
    ],
)
def test_a_style_that_is_asked_for_counts(tmp_path, style, code):
    assert scored(tmp_path, code, style=style) == [Score(1.0), Score(0.0)]


@pytest.mark.parametrize(
    ("style", "code", "says"),
    [
        ("text", "def reward(a, b): pass", r"does not take the 1 arguments of --style text: \(a, b\)"),
        ("trl", "def reward(a): pass", "takes no completions"),
        ("verl", "def reward(text): pass", "takes no solution_str"),
        (
            "auto",
            "class reward:\n    def __init__(self, k): pass\n    def __call__(self, text): pass",
            "name an instance",
        ),
    ],
)
def test_a_style_that_does_not_fit_is_said(tmp_path, style, code, says):
    with pytest.raises(RewardError, match=says):
        scored(tmp_path, code, style=style)


def test_verl_is_given_its_nested_truth(tmp_path):
    path = tmp_path / "rewards.py"
    path.write_text(
        "def compute_score(data_source, solution_str, ground_truth, extra_info=None):\n"
        "    return float(ground_truth == ['4'] and extra_info == {'index': 3})"
    )
    sample = Sample(
        "p", "c", {"reward_model": {"ground_truth": ["4"]}, "extra_info": {"index": 3}}, answer="['4']"
    )
    with FunctionScorer(RewardFunction(path, "compute_score")) as scorer:
        assert scorer.score([sample]) == [Score(1.0)]


def test_a_call_per_text_may_not_abstain(tmp_path):
    found = scored(tmp_path, "def reward(text): return None if '4' in text else 1")
    assert found == [Score(None, "returned NoneType, not a number"), Score(1.0)]
    found = scored(
        tmp_path,
        "def compute_score(data_source, solution_str, ground_truth): return {'acc': 1}",
        "compute_score",
    )
    assert found == [Score(None, "returned dict without 'score', not a number")] * 2


def test_token_ids_and_what_only_a_training_has(tmp_path):
    code = """
        def reward(completion_ids, completions, trainer_state, log_metric, **columns):
            log_metric("length", 1.0)
            assert trainer_state.global_step == 0
            assert set(columns) == {"prompts", "answer", "data_source"}
            return [len(ids) for ids in completion_ids]
    """
    assert scored(tmp_path, code) == [Score(2.0), Score(1.0)]


def test_a_function_of_token_ids_alone_is_of_trl(tmp_path):
    code = "def reward(completion_ids, **kwargs): return [len(ids) for ids in completion_ids]"
    assert scored(tmp_path, code) == [Score(2.0), Score(1.0)]


def test_texts_of_a_batch_are_awaited_at_once(tmp_path):
    code = """
        import asyncio
        BARRIER = []
        async def reward(text):
            BARRIER.append(text)
            while len(BARRIER) < 2:
                await asyncio.sleep(0.001)
            if "5" in text:
                raise ValueError(text)
            return 1.0
    """
    assert scored(tmp_path, code) == [Score(1.0), Score(None, "raised ValueError: it is 5")]


def test_a_coroutine_that_raises_for_one_text_is_asked_about_each(tmp_path):
    code = """
        async def reward(completions, **_):
            return [1 / (text != "it is 5") for text in completions]
    """
    assert scored(tmp_path, code) == [Score(1.0), Score(None, "raised ZeroDivisionError: division by zero")]


def weighted(tmp_path, code, *names, style="auto"):
    path = tmp_path / "rewards.py"
    path.write_text(textwrap.dedent(code))
    with FunctionScorer([parse_weighted(f"{path}:{name}") for name in names], style=style) as scorer:
        assert scorer.kind == ("weighted sum" if len(names) > 1 else "function")
        return scorer.score(SAMPLES)


SEVERAL = """
    import asyncio
    MET = []
    def right(completions, answer, **_): return [float(c.endswith(a)) for c, a in zip(completions, answer)]
    def length(text): return len(text) / 7
    def silent(completions, **_): return [None] * len(completions)
    def half(completions, **_): return [float("nan"), 1.0]
    def bad(completions, **_): return [1.0, "x"]
    def inf(text): return float("inf")
    async def one(completions, **_): return await met(completions)
    async def other(completions, **_): return await met(completions)
    async def met(completions):
        MET.append(1)
        while len(MET) < 2:
            await asyncio.sleep(0.001)
        return [1.0] * len(completions)
"""


def test_weighted_ones_are_summed_as_trl_does(tmp_path):
    assert weighted(tmp_path, SEVERAL, "right=2", "length=-0.5") == [Score(1.5), Score(-0.5)]
    assert weighted(tmp_path, SEVERAL, "right", "half=0.5") == [Score(1.0), Score(0.5)]
    assert weighted(tmp_path, SEVERAL, "silent", "half") == [Score(None), Score(1.0)]
    assert weighted(tmp_path, SEVERAL, "right=0.5") == [Score(0.5), Score(0.0)]
    assert weighted(tmp_path, SEVERAL, "one", "other=2") == [Score(3.0)] * 2


def test_the_guilty_one_of_several_is_named(tmp_path):
    found = weighted(tmp_path, SEVERAL, "right", "bad")
    assert found == [Score(2.0), Score(None, f"returned str, not a number ({tmp_path}/rewards.py:bad)")]
    found = weighted(tmp_path, SEVERAL, "right", "inf")
    assert found[0].fault == f"returned inf ({tmp_path}/rewards.py:inf)"


def test_modules_are_found_in_the_working_directory(tmp_path, monkeypatch):
    package = tmp_path / "project" / "rewards"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "parts.py").write_text("VALUE = 3.0")
    (package / "sums.py").write_text("from rewards.parts import VALUE\ndef reward(text): return VALUE")
    monkeypatch.chdir(tmp_path / "project")
    with FunctionScorer(parse_weighted("rewards.sums:reward")) as scorer:
        assert scorer.score(SAMPLES) == [Score(3.0)] * 2
    with pytest.raises(RewardError, match=r"rewards\.nowhere:reward can't be imported: ModuleNotFoundError"):
        FunctionScorer(parse_weighted("rewards.nowhere:reward")).score(SAMPLES)
    with pytest.raises(RewardError, match="is not defined in that module"):
        FunctionScorer(parse_weighted("rewards.sums:nothing")).score(SAMPLES)


def test_modules_of_ours_do_not_stand_in_the_way(tmp_path):
    for name in ("serve", "styles", "loaded", "returned", "begin", "sandbox"):
        (tmp_path / f"{name}.py").write_text(f"NAME = {name!r}")
    code = """
        import begin, loaded, returned, sandbox, serve, styles
        names = [module.NAME for module in (serve, styles, begin)]
        def reward(text): return float(names == ["serve", "styles", "begin"])
    """
    assert scored(tmp_path, code) == [Score(1.0)] * 2


def test_another_interpreter_runs_it(tmp_path):
    code = "import sys\ndef reward(text): return float(sys.executable.endswith('own-python'))"
    own = tmp_path / "own-python"
    own.symlink_to(Path(sys.executable))
    assert scored(tmp_path, code, python=own) == [Score(1.0)] * 2
    with pytest.raises(RewardError, match="can't start"):
        scored(tmp_path, code, python=tmp_path / "none")
    (tmp_path / "no-python").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "no-python").chmod(0o755)
    with pytest.raises(RewardError, match="while it was imported"):
        scored(tmp_path, code, python=tmp_path / "no-python")


def test_names(tmp_path):
    path = tmp_path / "a.py"
    path.write_text("")
    assert parse_weighted(f"{path}:f") == RewardFunction(path, "f")
    assert parse_weighted(f"{path}:C.f=0.5") == RewardFunction(path, "C.f", weight=0.5)
    assert parse_weighted("pkg.mod:f=-1") == RewardFunction(None, "f", "pkg.mod", -1.0)
    assert str(parse_weighted("pkg.mod:f")) == "pkg.mod:f"
    for bad in (
        "f",
        f"{path}",
        f"{path}:",
        f"{path}:a b",
        f"{tmp_path}/none.py:f",
        f"{path}:f=x",
        f"{path}:f=nan",
        "a-b:f",
    ):
        with pytest.raises(UsageError):
            parse_weighted(bad)
