from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from vllm_migrate.audit.code.from_code import read_code
from vllm_migrate.audit.code.taken import Fate
from vllm_migrate.errors import InputError, UsageError

V1 = "v1@0.32.0"
GRPO = Path(__file__).parents[2] / "fixtures" / "grpo_v0"


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def make(**files):
        for name, code in files.items():
            path = tmp_path / name.replace("__", "/").replace("_py", ".py").replace("_yaml", ".yaml")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(code))
        return tmp_path

    return make


@pytest.fixture
def read(project):
    def of(code, line=None):
        project(train_py=code)
        return read_code([f"train.py:{line}" if line else "train.py"], V1)

    return of


def found(taken, name):
    return next(one for one in taken.settings if one.name == name)


def test_settings_of_a_toml_file_are_taken(project):
    folder = project()
    (folder / "inference.toml").write_text(
        '[vllm]\ndtype = "bfloat16"\nenable_prefix_caching = false\ncompilation_config = { mode = 3 }\n'
    )
    taken = read_code(["inference.toml"], V1)
    assert taken.arguments["dtype"] == "bfloat16"
    assert taken.arguments["enable_prefix_caching"] is False
    assert taken.arguments["compilation_config"] == {"mode": 3}


def test_literals_are_taken_and_the_rest_is_said(read):
    taken = read(
        """\
        from vllm import LLM as Engine
        llm = Engine(
            model=path,
            tensor_parallel_size=2,
            dtype="bfloat16",
            enable_prefix_caching=False,
            seed=compute(),
            swap_space=4,
        )
        """
    )
    assert taken.arguments == {"dtype": "bfloat16", "enable_prefix_caching": False}
    assert str(found(taken, "dtype").place) == "train.py:5"
    assert [one.name for one in taken.settings if one.fate is Fate.PLACE] == ["model", "tensor_parallel_size"]
    refused, unresolved = taken.warnings
    assert "vLLM 0.32.0 would refuse" in refused
    assert "swap_space=4 (train.py:8)" in refused
    assert "seed=compute() (train.py:7: compute() is computed)" in unresolved


def test_the_demo_project_is_resolved_through_its_settings_file():
    taken = read_code([str(GRPO)], V1)
    assert taken.arguments == {
        "dtype": "bfloat16",
        "max_model_len": 256,
        "max_num_seqs": 64,
        "gpu_memory_utilization": 0.4,
        "enforce_eager": True,
        "seed": 1,
    }
    sampling = {"temperature": 0.7, "top_p": 0.9, "top_k": 50, "max_tokens": 64}
    assert taken.options == {**sampling, "clip_range": 0.2, "sync": "in-place"}
    assert found(taken, "temperature").place.path.name == "config.yaml"
    assert found(taken, "temperature").at.path.name == "rollout.py"
    (assumed,) = taken.assumptions
    assert assumed.startswith("--settings keeps its default")
    (refused,) = taken.warnings
    for name in ("swap_space=0", "use_v2_block_manager=True", "disable_async_output_proc=True"):
        assert name in refused


def test_dictionaries_that_reach_the_call(read):
    taken = read(
        """\
        import vllm
        options = {"max_model_len": 256, "logprobs_mode": "processed_logprobs"}
        options["seed"] = 3
        llm = vllm.LLM("m", **options)
        """
    )
    assert taken.arguments == {"max_model_len": 256, "logprobs_mode": "processed_logprobs", "seed": 3}


def test_a_dictionary_that_can_not_be_followed_is_a_warning(read):
    taken = read("from vllm import LLM\ndef f(**options):\n    return LLM(model='m', **options)\n")
    assert taken.arguments == {}
    (warning,) = taken.warnings
    assert "**options at train.py:3 can't be followed" in warning
    assert "--v1-args" in warning


def test_dummy_weights_are_not_taken(read):
    assert read("from vllm import LLM\nLLM('m', load_format='dummy')\n").arguments == {}


def test_names_the_target_does_not_know_are_left_out(read):
    taken = read("from vllm import LLM\nLLM('m', no_such_argument=1, seed=3)\n")
    assert taken.arguments == {"seed": 3}
    assert any("no_such_argument=1" in warning for warning in taken.warnings)


TWO = "from vllm import LLM\na = LLM('m', seed=1)\nb = LLM('m',\n        seed=2)\n"


def test_several_engines_need_a_line(read):
    with pytest.raises(UsageError, match="2 engines, at lines 2, 3"):
        read(TWO)
    assert read(TWO, line=2).arguments == {"seed": 1}
    assert read(TWO, line=4).arguments == {"seed": 2}
    with pytest.raises(UsageError, match="constructs no vLLM engine; lines 2, 3 do"):
        read(TWO, line=1)


def test_several_engines_of_a_directory_are_listed(project):
    root = project(a_py="from vllm import LLM\nLLM('m')\n", b_py="import vllm\nvllm.LLM('m')\n")
    with pytest.raises(UsageError, match=r"2 engines: a\.py:2 \(LLM\), b\.py:2 \(LLM\)"):
        read_code([str(root)], V1)


def test_engines_of_tests_do_not_compete_with_the_trainer(project):
    root = project(
        train_py="from vllm import LLM\nLLM('m', seed=1)\n", tests__test_it_py="import vllm\nvllm.LLM('m')\n"
    )
    assert read_code([str(root)], V1).arguments == {"seed": 1}


def test_files_without_an_engine(read, tmp_path):
    with pytest.raises(UsageError, match="constructs no vLLM engine"):
        read("print('LLM')\n")
    with pytest.raises(InputError, match="syntax error"):
        read("def f(:\n")
    with pytest.raises(InputError, match="can't read"):
        read_code([str(tmp_path / "absent.py")], V1)


def test_a_compose_file_alone(project):
    project(
        compose_yaml="""\
        services:
          rollout:
            image: vllm/vllm-openai:v0.8.5
            command: ["--model", "m", "--swap-space", "4", "--dtype", "bfloat16"]
        """
    )
    taken = read_code(["compose.yaml"], V1)
    assert (taken.what, taken.arguments) == ("vllm serve", {"dtype": "bfloat16"})


def test_a_trl_configuration_with_the_defaults_of_the_pinned_release(project):
    root = project(
        train_py="""\
        from trl import GRPOConfig
        config = GRPOConfig("out", use_vllm=True, vllm_gpu_memory_utilization=0.3, epsilon_high=0.28)
        """
    )
    (root / "requirements.txt").write_text("trl==0.17.0\n")
    taken = read_code(["train.py"], V1)
    assert taken.arguments == {"gpu_memory_utilization": 0.3, "logprobs_mode": "processed_logprobs"}
    assert (taken.options["temperature"], taken.options["top_k"]) == (0.9, 50)
    clipped = {name: taken.options[name] for name in ("objective", "clip_range", "clip_range_high")}
    assert clipped == {"objective": "grpo", "clip_range": 0.2, "clip_range_high": 0.28}
    assert "top_k is left to TRL, whose default is 50 (TRL 0.17.0)" in taken.assumptions
