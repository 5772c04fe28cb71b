"""The migration benchmark: its judging, and two of its projects on a real engine."""

from __future__ import annotations

import json
import math

import pytest

MODULES = (
    "run",  # first: it says where the parts of others are
    "case",
    "checks",
    "execute",
    "explained",
    "judged",
    "rollouts",
    "stages",
    "table",
    "tolerance",
)


@pytest.fixture(scope="module")
def benchmark(imported):
    """The benchmark's modules by name."""
    return vars(imported("migrations", *MODULES))


def write(path, **changes):
    row = {
        "prompt_token_ids": [1, 2],
        "token_ids": [3, 4],
        "logprobs": [-0.5, -1.0],
        "sampling": {"temperature": 0.7},
        "weights_version": 0,
    }
    path.write_text(json.dumps({**row, **changes}) + "\n")
    return path


def scored(benchmark, distance, *, stale=None, behind=(0.0, 0.0), outside=0, **changes):
    rollouts = benchmark["rollouts"]
    sampling = {**rollouts.SAMPLING, **changes.pop("sampling", {})}
    values = {"prompt_ids": [1], "token_ids": [3, 4], "logprobs": [-0.5, -1.0], "version": 0, "prompt": 0}
    rollout = rollouts.Rollout(**{**values, **changes, "sampling": sampling})
    return benchmark["judged"].Scored(rollout, list(distance), list(distance), stale, outside, list(behind))


# What a project is and writes


def test_every_project_is_in_form(benchmark):
    cases = benchmark["case"].read_all()
    assert len(cases) >= 8
    for case in cases:
        assert set(case.checks) <= benchmark["checks"].CHECKS.keys(), case.name
        assert case.rollouts > 0
        assert not (case.tree / "rollouts.jsonl").exists()


def test_unknown_key_of_a_case_is_named(benchmark, tmp_path):
    (tmp_path / "project").mkdir()
    (tmp_path / "case.toml").write_text('title = "t"\ncolour = "red"\n')
    with pytest.raises(benchmark["case"].CaseError, match="colour"):
        benchmark["case"].read(tmp_path)


def test_rollout_is_read_with_defaults(benchmark, tmp_path):
    (rollout,) = benchmark["rollouts"].read(write(tmp_path / "rollouts.jsonl"))
    assert rollout.sampling["temperature"] == 0.7
    assert rollout.sampling["top_p"] == 1.0
    assert rollout.prompt == (1, 2)


@pytest.mark.parametrize(
    "changes",
    [{"logprobs": [-0.5]}, {"token_ids": [], "logprobs": []}, {"sampling": {"warmth": 1}}],
    ids=["too few logprobs", "no tokens", "unknown setting"],
)
def test_rollout_that_cant_be_judged(benchmark, tmp_path, changes):
    with pytest.raises(benchmark["rollouts"].RolloutError, match="line 1"):
        benchmark["rollouts"].read(write(tmp_path / "rollouts.jsonl", **changes))


# What is wrong with a run


def test_consistent_run_has_no_problem(benchmark):
    tolerance = benchmark["tolerance"].TOLERANCES["bfloat16"]
    figures = benchmark["judged"].numerics([scored(benchmark, [0.01, 0.0])], tolerance)
    assert figures.mean == pytest.approx(0.005)
    assert benchmark["judged"].problems(figures, tolerance) == []


@pytest.mark.parametrize(
    ("distance", "outside", "said"),
    [([0.4, 0.6], 0, "0.5 off"), ([0.0, math.inf], 0, "off by more"), ([0.0, 0.0], 1, "can't be sampled")],
)
def test_inconsistent_run_is_told(benchmark, distance, outside, said):
    tolerance = benchmark["tolerance"].TOLERANCES["bfloat16"]
    figures = benchmark["judged"].numerics([scored(benchmark, distance, outside=outside)], tolerance)
    (problem,) = benchmark["judged"].problems(figures, tolerance)
    assert said in problem


def test_sync_is_seen_only_where_old_weights_would_be_noticed(benchmark):
    check = benchmark["checks"].CHECKS["weights_used"]
    tolerance = benchmark["tolerance"].TOLERANCES["bfloat16"]
    first = scored(benchmark, [0.0, 0.0])
    assert check([first, scored(benchmark, [0.01, 0.0], stale=[0.5, 0.7], version=1)], tolerance) == []
    (old,) = check([first, scored(benchmark, [0.5, 0.7], stale=[0.01, 0.0], version=1)], tolerance)
    assert "old weights" in old
    (blind,) = check([first, scored(benchmark, [0.01, 0.0], stale=[0.02, 0.0], version=1)], tolerance)
    assert "too little" in blind
    assert check([first], tolerance) != []


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("banned_tokens", {"banned_token_ids": [9]}, {"banned_token_ids": [3]}),
        ("allowed_tokens", {"allowed_token_ids": [3, 4]}, {"allowed_token_ids": [3]}),
        ("choices", {"choices": ["yes"]}, {"choices": ["no"]}),
        ("matches_regex", {"regex": "y.s"}, {"regex": "n."}),
        ("stop_strings", {"stop": ["s"], "max_tokens": 5}, {"stop": ["e"], "max_tokens": 5}),
        ("lengths", {"max_tokens": 2}, {"max_tokens": 1}),
    ],
)
def test_check_of_sampling(benchmark, name, good, bad):
    check = benchmark["checks"].CHECKS[name]
    tolerance = benchmark["tolerance"].TOLERANCES["float32"]
    assert check([scored(benchmark, [0, 0], text="yes", sampling=good)], tolerance) == []
    assert check([scored(benchmark, [0, 0], text="yes", sampling=bad)], tolerance) != []


def test_greedy_tokens_are_the_most_likely(benchmark):
    check = benchmark["checks"].CHECKS["greedy"]
    tolerance = benchmark["tolerance"].TOLERANCES["float32"]
    greedy = {"temperature": 0}
    assert check([scored(benchmark, [0, 0], sampling=greedy)], tolerance) == []
    assert check([scored(benchmark, [0, 0], behind=[0.0, 0.3], sampling=greedy)], tolerance) != []
    assert check([scored(benchmark, [0, 0])], tolerance) != []


@pytest.mark.parametrize(
    ("passed", "runs", "low", "high"),
    [(0, 10, 0.0, 0.3085), (10, 10, 0.6915, 1.0), (5, 10, 0.1871, 0.8129), (15, 16, 0.6977, 0.9984)],
)
def test_interval_is_the_exact_one(benchmark, passed, runs, low, high):
    # known values, to four digits
    assert benchmark["table"].interval(passed, runs) == pytest.approx((low, high), abs=6e-5)


def test_last_error_is_the_last_exception(benchmark):
    tail = "Traceback\nTypeError: first\nINFO: shutting down\nValueError: too many values\nbye\n"
    assert benchmark["execute"].last_error(tail) == "ValueError: too many values"


# Two projects, executed


LEFT = {
    "path": "engine.py",
    "line": 3,
    "message": "VM410 LLM.set_tokenizer() is gone",
    "advice": "LLM(..., tokenizer=)",
}


def traced(folder, line):
    return f'Traceback:\n  File "{folder}/project/engine.py", line {line}, in build\nAttributeError: no x\n'


@pytest.mark.parametrize(
    ("line", "error", "expected"),
    [
        (4, "TypeError: no", True),  # the statement of the finding goes from line 2 to 5
        (6, "TypeError: no", False),
        (6, "AttributeError: 'LLM' object has no attribute 'set_tokenizer'", True),
        (6, "AttributeError: 'LLM' object has no attribute 'tokenizer'", False),
        (6, "run.py: error: unrecognized arguments: --swap-space 0", False),
    ],
)
def test_crash_is_explained_by_its_place_or_its_name(benchmark, tmp_path, line, error, expected):
    project = tmp_path / "project"
    project.mkdir()
    (project / "engine.py").write_text("import vllm\nllm = vllm.LLM(\n    1,\n    2,\n)\nllm.start()\n")
    explained = benchmark["explained"]
    assert explained.crash_is_explained(traced(tmp_path, line), error, [LEFT], project) is expected


def test_crash_in_another_file_is_not_explained(benchmark, tmp_path):
    (tmp_path / "project").mkdir()
    tail = 'File "/usr/lib/python3/site-packages/vllm/engine.py", line 3, in build'
    left = [LEFT]
    assert not benchmark["explained"].crash_is_explained(tail, "TypeError: no", left, tmp_path / "project")


def test_flag_is_explained_by_a_finding_that_names_it(benchmark, tmp_path):
    left = [{**LEFT, "path": "run.sh", "message": "--swap-space is gone since vLLM 0.18.0"}]
    error = "run.py: error: unrecognized arguments: --swap-space 0"
    assert benchmark["explained"].crash_is_explained("", error, left, tmp_path)


def test_wrong_result_is_explained_where_each_problem_is_spoken_of(benchmark):
    about = benchmark["explained"].result_is_explained
    raw = {**LEFT, "message": "LLM(...) without logprobs_mode", "advice": "logprobs_mode"}
    problem = "logprobs are 0.25 off on average"
    assert about([problem], [raw])
    assert not about([problem], [LEFT])
    assert not about([problem, "fresh_cache: stale"], [raw])
    assert not about(["12 rollouts instead of 24"], [raw])
    assert not about(["exit 3"], [raw])


@pytest.mark.engine
@pytest.mark.parametrize("name", ["ppo_loop", "grpo_notebook"])
def test_rewritten_project_runs_on_v1(benchmark, tmp_path, name):
    setting = benchmark["run"].setting_for("0.32.0", tmp_path)
    case = benchmark["case"].read(benchmark["case"].PROJECTS / name)
    before = benchmark["stages"].run_stage(case, "before", setting)
    assert before.verdict == "crash", before.wrong
    after = benchmark["stages"].run_stage(case, "unsafe", setting)
    assert after.passed, after.wrong
    assert after.rollouts == case.rollouts
    assert after.numerics["mean"] < benchmark["tolerance"].TOLERANCES[case.dtype].mean


def test_a_tree_that_another_stage_ran_is_not_run_again(benchmark, tmp_path):
    stages = benchmark["stages"]
    for name, digest in (("before-0.32.0", "same"), ("unsafe-0.32.0", "another")):
        (tmp_path / name / "out").mkdir(parents=True)
        ran = {"digest": digest, "exit_code": 0, "seconds": 2.0, "tail": name}
        (tmp_path / name / "ran.json").write_text(json.dumps(ran))
        write(tmp_path / name / "out" / "rollouts.jsonl")
    folder = tmp_path / "safe-0.32.0"
    folder.mkdir()
    assert stages._twin(folder, stages.Outcome("safe", "v1", "a third")) is None
    ran = stages._twin(folder, stages.Outcome("safe", "v1", "same"))
    assert ran.tail == "before-0.32.0"
    assert (folder / "out" / "rollouts.jsonl").is_file()
    assert stages._earlier(folder / "ran.json", "same") == ran
