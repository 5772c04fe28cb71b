from __future__ import annotations

from pathlib import PurePosixPath
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from vllm_migrate.errors import InputError
from vllm_migrate.files.located import UNRESOLVED, Certainty
from vllm_migrate.files.yaml import read_yaml
from vllm_migrate.files.yaml_mend import fill_emptied

if TYPE_CHECKING:
    from vllm_migrate.files.file_facts import FileFacts


def read(text: str) -> FileFacts:
    return read_yaml(PurePosixPath("config.yaml"), dedent(text).encode())


def test_engine_arguments_by_the_block_they_stand_in() -> None:
    facts = read("""\
        model:
          swap_space: 1
        actor:
          rollout:
            name: vllm
            engine_kwargs:
              vllm:
                swap_space: null  # the default
                compilation_config:
                  level: 3
              sglang:
                attention_backend: null
        """)
    assert [(a.name, a.value.literal, a.certainty) for a in facts.arguments] == [
        ("name", "vllm", Certainty.LIKELY),
        ("swap_space", None, Certainty.CERTAIN),
        ("compilation_config", UNRESOLVED, Certainty.CERTAIN),
    ]
    assert facts.text(facts.arguments[1].span) == "        swap_space: null  # the default\n"
    assert facts.text(facts.arguments[2].span).endswith("level: 3\n")


@pytest.mark.parametrize(
    ("written", "literal"),
    [
        ("4", 4), ("0.5", 0.5), ("true", True), ("False", False), ("null", None), ("~", None), ('"4"', "4"),
        ("'x y'", "x y"), ("plain text", "plain text"), ("${data.x}", UNRESOLVED), ("*anchor", UNRESOLVED),
        ("[1, 2]", UNRESOLVED), ("-1", -1),
    ],
)  # fmt: skip
def test_values(written: str, literal: object) -> None:
    facts = read(f"engine_kwargs:\n  seed: {written}\n")
    assert facts.arguments[0].value.source == written
    assert facts.arguments[0].value.literal == literal


def test_sampling_parameters() -> None:
    facts = read("sampling_params:\n  best_of: 2\n")
    assert (facts.arguments[0].owner, facts.arguments[0].name) == ("sampling", "best_of")


def test_a_trl_config() -> None:
    facts = read("use_vllm: true\nvllm_device: auto\n")
    assert ("trl.GRPOConfig", "vllm_device") in [(a.owner, a.name) for a in facts.arguments]


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ('env:\n  A: 1\n  VLLM_USE_V1: "0"  # old\n', "env:\n  A: 1\n"),
        ("env_vars: {VLLM_USE_V1: '0', A: 1}\n", "env_vars: {A: 1}\n"),
        ("env_vars: {A: 1, VLLM_USE_V1: '0'}\n", "env_vars: {A: 1}\n"),
        ("environment:\n  - A=1\n  - VLLM_USE_V1=0\n", "environment:\n  - A=1\n"),
        ('environment:\n- "VLLM_USE_V1=0"\n- A=1\n', "environment:\n- A=1\n"),
        (
            'env:\n  - name: VLLM_USE_V1\n    value: "0"\n  - name: A\n    value: "1"\n',
            'env:\n  - name: A\n    value: "1"\n',
        ),
        ("run: |\n  export VLLM_USE_V1=0\n  python x.py\n", "run: |\n  python x.py\n"),
        ("command: VLLM_USE_V1=0 python x.py\n", "command: python x.py\n"),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_variables_go_and_leave_the_rest(text: str, without: str, newline: str) -> None:
    facts = read_yaml(PurePosixPath("x.yaml"), text.replace("\n", newline).encode())
    found = next(v for v in facts.variables if v.name == "VLLM_USE_V1")
    assert str(found.value.literal) == "0"
    rest = facts.source[: found.span.start] + facts.source[found.span.end :]
    assert rest.decode() == without.replace("\n", newline)


def test_scripts_inside() -> None:
    facts = read(
        "run: |\n  pip install vllm==0.8.5\n  vllm serve m \\\n    --swap-space 4\nsetup: echo vllm\n"
    )
    assert [(a.name, a.value.literal) for a in facts.arguments] == [("swap_space", "4")]
    assert facts.pins[0].specifier == "==0.8.5"


def test_pins_of_environments() -> None:
    facts = read("""\
        dependencies:
          - python=3.10
          - pip:
            - "vllm==0.8.5"
            - trl >= 0.14
        runtime_env:
          pip: ["vllm==0.8.4", "ray"]
        """)
    pins = [(p.package, p.specifier) for p in facts.pins]
    assert pins[-4:] == [("vllm", "==0.8.5"), ("trl", ">= 0.14"), ("vllm", "==0.8.4"), ("ray", "")]


def test_comments_block_scalars_and_documents_are_followed() -> None:
    facts = read("""\
        # engine_kwargs: {swap_space: 4}
        note: |
          engine_kwargs:
            swap_space: 4
        text: "a: b # no comment"
        ---
        engine_kwargs:

          # why
          swap_space: 4
        """)
    assert len(facts.arguments) == 1


def test_a_byte_order_mark_is_no_part_of_a_key() -> None:
    facts = read_yaml(PurePosixPath("x.yaml"), b"\xef\xbb\xbfengine_kwargs:\n  swap_space: 4\n")
    assert facts.arguments[0].name == "swap_space"


@pytest.mark.parametrize(
    "text",
    [
        "{% if x %}\nvllm: 1\n{% endif %}\n",
        "vllm:\n\tswap_space: 4\n",
        "vllm: {swap_space: 4\n",
        'vllm: "open\n',
    ],
)
def test_what_can_t_be_followed_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        read(text)


def test_suppression() -> None:
    assert read("vllm:\n  # vllm-migrate: ignore[VM201]\n  swap_space: 4\n").suppressions[3] == ("VM201",)


@pytest.mark.parametrize(
    ("before", "after", "filled"),
    [
        ("a:\n  vllm:  # why\n    x: 1\n", "a:\n  vllm:  # why\n", "a:\n  vllm: {}  # why\n"),
        ("env:\n  - A=1\nb: 2\n", "env:\nb: 2\n", "env: []\nb: 2\n"),
        ("a:\nb:\n  x: 1\n  y: 2\n", "a:\nb:\n  y: 2\n", "a:\nb:\n  y: 2\n"),
        ("a:\r\n  x: 1\r\n", "a:\r\n", "a: {}\r\n"),
    ],
)
def test_an_emptied_mapping_becomes_an_empty_one(before: str, after: str, filled: str) -> None:
    assert fill_emptied(before.encode(), after.encode()).decode() == filled
