"""Servers that Python code starts: what is found in lists of words and in strings, and what is edited."""

from __future__ import annotations

from pathlib import PurePosixPath
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from vllm_migrate.files.located import Certainty, Form
from vllm_migrate.files.prefilter import worth_parsing
from vllm_migrate.resolve.python import read_python

if TYPE_CHECKING:
    from vllm_migrate.files.file_facts import FileFacts


def read(code: str) -> FileFacts:
    return read_python(PurePosixPath("launch.py"), dedent(code).encode(), None, None)


def flags(facts: FileFacts) -> dict[str, object]:
    return {a.name: a.value.literal or a.value.source for a in facts.arguments if a.form is Form.FLAG}


@pytest.mark.parametrize(
    "code",
    [
        "run(['vllm', 'serve', 'm', '--swap-space', '4'])",
        "run(('vllm', 'serve', 'm', '--swap-space', '4'))",
        "run([sys.executable, '-m', 'vllm.entrypoints.openai.api_server', '--swap-space', '4'])",
        "run(['python', '-m', 'vllm.entrypoints.api_server', '--swap-space=4'])",
        "run(['env', 'A=1', 'vllm', 'serve', 'm', '--swap-space', '4'])",
        "run(['vllm', 'serve', 'm'] + ['--swap-space', '4'])",
        "run(['vllm', 'serve', 'm', *['--swap-space', '4']])",
        "cmd = ['vllm', 'serve', 'm']\ncmd += ['--swap-space', '4']",
        "cmd = ['vllm', 'serve', 'm']\ncmd.extend(['--swap-space', '4'])",
        "cmd = ['vllm', 'serve', 'm']\ncmd = cmd + ['--swap-space', '4']",
        "more = ['--swap-space', '4']\nrun(['vllm', 'serve', 'm'] + more)",
        "more = ['--swap-space', '4']\nrun(['vllm', 'serve', 'm', *more])",
        "os.system('vllm serve m --swap-space 4')",
        "cmd = 'vllm serve m --swap-space 4'\nrun(cmd, shell=True)",
        "run(shlex.split('''vllm serve m\n  --swap-space 4'''))".replace("\n", " "),
        "run(f'vllm serve {model} --swap-space 4', shell=True)",
    ],
)
def test_a_server_s_flag_is_found_wherever_it_is_written(code):
    source = dedent(code).encode()
    assert worth_parsing(source)
    facts = read_python(PurePosixPath("launch.py"), source, None, None)
    (argument,) = [a for a in facts.arguments if a.name == "swap_space"]
    assert (argument.owner, argument.form, argument.value.literal) == ("engine", Form.FLAG, "4")
    assert argument.certainty is Certainty.CERTAIN
    assert not argument.fixed
    assert facts.text(argument.name_span) == "swap-space"


@pytest.mark.parametrize(
    "code",
    [
        "run(['other', 'serve', 'm', '--swap-space', '4'])",
        "run(['vllm', 'bench', '--swap-space', '4'])",
        "words = ['serve', '--swap-space', '4']  # vllm",
        "print('start it with vllm serve m --swap-space 4')",
        "def f():\n    'vllm serve m --swap-space 4'",
        "cmd = ['vllm', 'serve', 'm']\nother = []\nother += ['--swap-space', '4']",
        "text = 'vllm serve m --swap-space 4'\nprint(text)",
    ],
)
def test_other_words_are_left_alone(code):
    assert flags(read(code)) == {}


def test_a_value_that_is_computed_is_not_known():
    facts = read("run(['vllm', 'serve', model, '--swap-space', str(n), '--seed', f'{s}', '--port', port])")
    assert flags(facts) == {"swap_space": "str(n)", "seed": "f'{s}'", "port": "port"}


def test_a_flag_apart_from_its_value_is_told_but_fixed():
    facts = read("cmd = ['vllm', 'serve', 'm']\ncmd.append('--swap-space')\ncmd.append('4')\n")
    (argument,) = facts.arguments
    assert (argument.name, argument.fixed) == ("swap_space", True)


def test_either_of_two_lists_is_only_likely():
    facts = read(
        """\
        if small:
            more = ["--swap-space", "4"]
        else:
            more = ["--swap-space", "8"]
        run(["vllm", "serve", "m", *more])
        """
    )
    assert [a.certainty for a in facts.arguments] == [Certainty.LIKELY] * 2
