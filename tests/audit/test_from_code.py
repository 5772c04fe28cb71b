from __future__ import annotations

import textwrap

import pytest

from vllm_migrate.audit.from_code import read_arguments
from vllm_migrate.errors import InputError, UsageError


@pytest.fixture
def read(tmp_path):
    def make(code, line=None, v1="v1@0.32.0"):
        path = tmp_path / "train.py"
        path.write_text(textwrap.dedent(code))
        return read_arguments(f"{path}:{line}" if line else str(path), v1)

    return make


def test_literals_are_taken_and_the_rest_is_said(read):
    taken = read(
        """\
        from vllm import LLM as Engine
        llm = Engine(
            model=path,
            tensor_parallel_size=2,
            dtype="bfloat16",
            enable_prefix_caching=False,
            seed=args.seed,
            swap_space=4,
        )
        """
    )
    assert taken.arguments == {"dtype": "bfloat16", "enable_prefix_caching": False}
    took, left = taken.shown
    assert took == "took from train.py: dtype='bfloat16' (line 5), enable_prefix_caching=False (line 6)"
    assert left == "left to the audit: model=path (line 3), tensor_parallel_size=2 (line 4)"
    refused, computed = taken.warnings
    assert "vLLM 0.32.0 would refuse" in refused
    assert "swap_space=4 (line 8)" in refused
    assert "seed=args.seed (line 7)" in computed


def test_dictionaries_that_reach_the_call(read):
    taken = read(
        """\
        import vllm
        options = {"max_model_len": 256, "logprobs_mode": "processed_logprobs"}
        llm = vllm.LLM("m", **options)
        """
    )
    assert taken.arguments == {"max_model_len": 256, "logprobs_mode": "processed_logprobs"}


def test_a_dictionary_that_can_not_be_followed_is_a_warning(read):
    taken = read("from vllm import LLM\ndef f(**options):\n    return LLM(model='m', **options)\n")
    assert taken.arguments == {}
    assert any("train.py:3" in warning and "--v1-args" in warning for warning in taken.warnings)


def test_dummy_weights_are_not_taken(read):
    assert read("from vllm import LLM\nLLM('m', load_format='dummy')\n").arguments == {}


def test_names_the_target_does_not_know_are_left_out(read):
    taken = read("from vllm import LLM\nLLM('m', no_such_argument=1, seed=3)\n")
    assert taken.arguments == {"seed": 3}
    assert any("no_such_argument=1" in warning for warning in taken.warnings)


TWO = "from vllm import LLM\na = LLM('m', seed=1)\nb = LLM('m',\n        seed=2)\n"


def test_several_engines_need_a_line(read):
    with pytest.raises(UsageError, match="lines 2, 3"):
        read(TWO)
    assert read(TWO, line=2).arguments == {"seed": 1}
    assert read(TWO, line=4).arguments == {"seed": 2}
    with pytest.raises(UsageError, match="constructs no vLLM engine; lines 2, 3 do"):
        read(TWO, line=1)


def test_files_without_an_engine(read, tmp_path):
    with pytest.raises(UsageError, match="constructs no vLLM engine"):
        read("print('LLM')\n")
    with pytest.raises(InputError):
        read("def f(:\n")
    with pytest.raises(InputError, match="can't read"):
        read_arguments(str(tmp_path / "absent.py"), "v1@0.32.0")
