"""Fields of dataclasses and options of parsers that reach an engine: told where they live, never edited."""

from __future__ import annotations

from pathlib import PurePosixPath
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from vllm_migrate.files.located import Argument, Form
from vllm_migrate.resolve.python import read_python

if TYPE_CHECKING:
    from vllm_migrate.files.file_facts import FileFacts

FIELDS = """\
import argparse
import dataclasses
from dataclasses import asdict, dataclass, field
from vllm import LLM, EngineArgs, LLMEngine, SamplingParams

@dataclass
class Config:
    model: str = "m"
    swap_space: int = 4
    other: int = 1

"""
OPTIONS = """\
import argparse
from vllm import LLM, EngineArgs, LLMEngine, SamplingParams

parser = argparse.ArgumentParser()
parser.add_argument("--model", default="m")
parser.add_argument("--swap-space", type=int, default=4)
"""


def read(code: str) -> FileFacts:
    return read_python(PurePosixPath("train.py"), dedent(code).encode(), None, None)


def told(facts: FileFacts) -> list[Argument]:
    return [argument for argument in facts.arguments if argument.form is Form.KEY]


@pytest.mark.parametrize(
    "code",
    [
        "def build(config: Config):\n    return LLM(config.model, swap_space=config.swap_space)\n",
        "config = Config()\nllm = LLM('m', swap_space=config.swap_space)\n",
        "config = Config()\nllm = LLM(**asdict(config))\n",
        "config = Config()\nllm = LLM(**dataclasses.asdict(config))\n",
        "config = Config()\nllm = LLM(**vars(config))\n",
        "config = Config()\nllm = LLM(**config.__dict__)\n",
        "config = Config()\nkwargs = asdict(config)\nllm = LLM(**kwargs)\n",
        "config = Config()\nkwargs = asdict(config)\nkwargs = kwargs | more\nllm = LLM(**kwargs)\n",
        "config = Config()\nllm = LLM(**{**asdict(config), **more})\n",
        "config = Config()\nkwargs = {}\nif more:\n    kwargs = vars(config)\nllm = LLM(**kwargs)\n",
        (
            "class A:\n    def __init__(self, config: Config):\n        self.config = config\n"
            "    def build(self):\n        return LLM('m', swap_space=self.config.swap_space)\n"
        ),
    ],
)
def test_fields(code):
    (found,) = [a for a in told(read(FIELDS + code)) if a.name == "swap_space"]
    assert (found.owner, found.value.literal, found.fixed) == ("engine", 4, True)
    assert read(FIELDS + code).text(found.span) == "swap_space: int = 4"


@pytest.mark.parametrize(
    "code",
    [
        "args = parser.parse_args()\nllm = LLM('m', swap_space=args.swap_space)\n",
        "args, rest = parser.parse_known_args()\nllm = LLM('m', swap_space=args.swap_space)\n",
        "args = parser.parse_args()\nllm = LLM(**vars(args))\n",
        "def build(args):\n    return LLM('m', swap_space=args.swap_space)\n",
        "class A:\n    def build(self):\n        return LLM('m', swap_space=self.args.swap_space)\n",
        "engine = LLMEngine.from_engine_args(EngineArgs.from_cli_args(parser.parse_args()))\n",
    ],
)
def test_options(code):
    (found,) = [a for a in told(read(OPTIONS + code)) if a.name == "swap_space"]
    assert (found.owner, found.value.literal, found.fixed) == ("engine", 4, True)
    assert read(OPTIONS + code).text(found.span).startswith('parser.add_argument("--swap-space"')


def test_an_option_of_another_name():
    code = OPTIONS.replace("--swap-space", "--vllm-swap") + "args = parser.parse_args()\n"
    (found,) = told(read(code + "llm = LLM('m', swap_space=args.vllm_swap)\n"))
    assert (found.name, found.value.literal) == ("swap_space", 4)


@pytest.mark.parametrize(
    "code",
    [
        FIELDS + "config = Config()\nllm = LLM('m', seed=config.other)\n".replace("seed=config.other", ""),
        FIELDS + "def build(config):\n    return LLM('m', swap_space=config.swap_space)\n",
        FIELDS + "config = Config()\nother(swap_space=config.swap_space)\n",
        OPTIONS + "def build(config):\n    return LLM('m', swap_space=config.swap_space)\n",
        OPTIONS + "args = parser.parse_args()\nllm = LLM('m')\n",
    ],
)
def test_what_reaches_no_engine(code):
    assert told(read(code)) == []


def test_a_field_that_is_another_arguments_stays_that_ones():
    code = (
        FIELDS + "config = Config()\nllm = LLM('m', swap_space=config.swap_space, seed=config.swap_space)\n"
    )
    assert [found.name for found in told(read(code))] == ["swap_space"]
