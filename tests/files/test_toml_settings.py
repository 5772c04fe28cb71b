from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vllm_migrate.config import Config
from vllm_migrate.edits.settings import toml_value
from vllm_migrate.files.located import UNRESOLVED
from vllm_migrate.files.toml import read_toml
from vllm_migrate.files.toml_lines import entries
from vllm_migrate.rules.rewrite import rewrite
from vllm_migrate.rules.scan import scan

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SETTINGS = b"""\
# how rollouts are made
title = "vllm"

[vllm]
model = "m"          # the policy
swap_space = 4       # GiB
"device" = 'cuda'
compilation_config = { level = 3, sizes = [1, 2] }
shapes = [
  1,  # one
  2,
]

[vllm.speculative_config]
num_speculative_tokens = 3

[inference]
gpu_memory_utilization = 0.7
max_seq_len_to_capture = 8192

[inference.model]
use_v2_block_manager = true

[inference.client]
device = "cuda"

[env]
VLLM_USE_V1 = "0"

[tasks]
serve = "vllm serve m --swap-space 4 --port 1"
"""


def test_sections_that_are_an_engine_s() -> None:
    facts = read_toml(PurePosixPath("config.toml"), SETTINGS)
    told = {(a.name, a.value.literal): facts.text(a.span) for a in facts.arguments if a.form.value == "key"}
    assert told["swap_space", 4] == "swap_space = 4       # GiB\n"
    assert told["device", "cuda"] == "\"device\" = 'cuda'\n"
    assert told["shapes", UNRESOLVED].endswith("]\n")
    assert told["speculative_config", UNRESOLVED].startswith("[vllm.speculative_config]\n")
    assert told["max_seq_len_to_capture", 8192]
    assert told["use_v2_block_manager", True]
    assert sum(name == "device" for name, _ in told) == 1, "the client's section is none of the engine's"
    assert [v.name for v in facts.variables] == ["VLLM_USE_V1"]
    assert [a.name for a in facts.arguments if a.form.value == "flag"] == ["swap_space", "port"]


def test_an_inference_section_of_somebody_else_s() -> None:
    facts = read_toml(PurePosixPath("c.toml"), b'[inference]\ndevice = "cuda"\nbackend = "vllm"\n')
    assert facts.arguments == ()


def test_a_package_s_table_holds_no_arguments() -> None:
    source = b'[tool.uv.sources.vllm]\ndevice = "cuda"\n\n[pypi-dependencies.vllm]\nversion = "==0.8.5"\n'
    facts = read_toml(PurePosixPath("pixi.toml"), source)
    assert facts.arguments == ()
    assert [(p.package, p.specifier) for p in facts.pins] == [("vllm", "==0.8.5")]


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("Pipfile", b'[packages]\nvllm = "==0.8.5"\n'),
        ("pixi.toml", b'[feature.gpu.pypi-dependencies]\nvllm = { version = "==0.8.5", extras = [] }\n'),
        ("pixi.toml", b'[dependencies]\nvllm = "0.8.5.*"\n'),
        ("uv.toml", b'constraint-dependencies = ["vllm==0.8.5"]\n\n[pip]\nx = 1\n'),
        ("pyproject.toml", b'[tool.poetry.dependencies.vllm]\nversion = "0.8.5"\n'),
    ],
)
def test_pins_of_other_packaging_tools(name: str, source: bytes) -> None:
    (pin,) = read_toml(PurePosixPath(name), source).pins
    assert pin.package == "vllm"
    assert pin.specifier.startswith("==0.8.5")


def test_code_says_what_a_section_is(tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(
        "import tomllib\nfrom pathlib import Path\n\nfrom vllm import LLM\n\n"
        'settings = tomllib.loads(Path("conf/sampler.toml").read_text())\n\n\n'
        'def build():\n    return LLM(**settings["backend"]["kwargs"])\n'
    )
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/sampler.toml").write_text(
        "[backend.kwargs]\nswap_space = 4\n\n[other]\nswap_space = 4\n"
    )
    result = scan([tmp_path], Config())
    (found,) = [f for f in result.findings if f.code == "VM201"]
    assert result.facts[found.path].source[: found.span.start] == b"[backend.kwargs]\n"


def test_only_what_is_said_changes(tmp_path: Path) -> None:
    """Every other byte stays, whatever the layout; a second run has nothing left to do."""
    source = (
        b"\xef\xbb\xbf# kept\r\n[ vllm ]\r\n\tswap_space=4 # \xc3\xa9\r\nseed = 1\r\n"
        b"x = { swap_space = 1 }\r\n[a.vllm_kwargs]\r\nz.y = 1\r\nuse_v2_block_manager = true"
    )
    (tmp_path / "c.toml").write_bytes(source)
    rewrite(scan([tmp_path], Config()), unsafe=True, write=True)
    assert (tmp_path / "c.toml").read_bytes() == (
        b"\xef\xbb\xbf# kept\r\n[ vllm ]\r\nseed = 1\r\nx = { swap_space = 1 }\r\n[a.vllm_kwargs]\r\nz.y = 1"
    )
    assert not [f for f in scan([tmp_path], Config()).findings if f.edits]


def test_a_file_of_no_interest_is_not_judged(tmp_path: Path) -> None:
    (tmp_path / "Cargo.toml").write_text("[dependencies\n")
    (tmp_path / "broken.toml").write_text("[vllm\n")
    result = scan([tmp_path], Config())
    assert [str(d.path) for d in result.diagnostics] == ["broken.toml"]


_KEYS = st.sampled_from(["a", "b-c", '"d e"', "'f'", "g.h", 'i . "j"'])
_PLAIN = [
    "1", '"x]}#"', "'y'", '"""q\n"""', "'''r'''", "1979-05-27 07:32:00", "true", '"\\""', "[]", "{}",
]  # fmt: skip
_VALUES = st.sampled_from(
    [
        *_PLAIN,
        f"[ # c\n {', '.join(_PLAIN)},\n]",
        "{" + ", ".join(f"k{i} = {one}" for i, one in enumerate(_PLAIN)) + "}",
        "[ { a = [ 1, [ 2 ], ], b.c = '}' }, ]",
    ]
)


@given(st.lists(st.tuples(_KEYS, _VALUES), max_size=4, unique_by=lambda pair: pair[0]))
def test_places_are_those_of_the_parser(pairs: list[tuple[str, str]]) -> None:
    """Every value stands where it is said to: read alone, it is what the parser made of the whole."""
    text = "".join(f"{key} = {value} # {key}\n" for key, value in pairs)
    text = f"{text}[t.u]\n{text}[[v]]\n{text}[[v]]\n{text}"
    assert len(tomllib.loads(text)["v"]) == 2
    found = [e for e in entries(text) if e.key and not e.flow and e.value.start < e.value.end]
    for entry, (key, value) in zip(found, pairs * 4, strict=True):
        assert text[entry.value.start : entry.value.end] == value
        assert entry.key == key.rpartition(".")[2].strip(" \"'")
        assert text[entry.line : entry.end] == f"{key} = {value} # {key}\n"


@pytest.mark.parametrize("value", [1, True, 'a"b', [1, "x"], {"a": {"b c": [True]}}, {}])
def test_values_are_written_as_toml(value: object) -> None:
    assert tomllib.loads(f"x = {toml_value(value)}")["x"] == value
