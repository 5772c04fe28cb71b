"""Finding out where the code comes from, and refusing what is no source and no target."""

from __future__ import annotations

import pytest

from vllm_migrate.errors import UsageError
from vllm_migrate.facts.model import Engine
from vllm_migrate.facts.source import detect_source, parse_source, parse_target
from vllm_migrate.files.located import Pin, Span, Value, Variable

_SPAN = Span(0, 1)


def _pin(specifier: str, package: str = "vllm") -> Pin:
    return Pin(package, specifier, _SPAN, _SPAN)


def _use_v1(value: str, action: str = "set") -> Variable:
    return Variable("VLLM_USE_V1", Value(repr(value), value), action, _SPAN, _SPAN)


@pytest.mark.parametrize(
    ("text", "version", "engine"),
    [
        ("0.8.5", "0.8.5", Engine.UNKNOWN),
        ("v0@0.8.5", "0.8.5", Engine.V0),
        ("v1@0.9.2", "0.9.2", Engine.V1),
        ("vllm==0.8.5.post1", "0.8.5.post1", Engine.UNKNOWN),
        ("0.12.0", "0.12.0", Engine.V1),
    ],
)
def test_from(text: str, version: str, engine: Engine) -> None:
    source = parse_source(text)
    assert (str(source.version), source.engine, source.origin) == (version, engine, "--from")


@pytest.mark.parametrize("text", ["", "eight", "v2@0.8.5", "0.8.5 or so", "v0@0.11.0"])
def test_bad_from(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_source(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "version"), [("", "0.32.0"), ("0.11.0", "0.11.0"), ("v1@0.18.1", "0.18.1"), ("0.33.0", "0.33.0")]
)
def test_target(text: str, version: str) -> None:
    assert str(parse_target(text).version) == version


@pytest.mark.parametrize("text", ["0.10.2", "0.34.0", "1.0", "v0@0.11.0", "new"])
def test_bad_target(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_target(text)
    assert caught.value.hint


def test_nothing_known() -> None:
    source = detect_source([], [], v0_only_signs=False, explicit=None)
    assert (str(source.version), source.engine, source.origin) == ("0.8.5", Engine.UNKNOWN, "assumed")
    assert "treated as V0" in source.engine_origin


@pytest.mark.parametrize(
    ("specifiers", "version"),
    [
        (["==0.8.5"], "0.8.5"),
        (["==0.8.5", ">=0.7.3,<0.9"], "0.7.3"),
        (["~=0.8.2"], "0.8.2"),
        (["==0.7.*"], "0.7"),
        (["<0.9"], "0.8.5"),
        (["", "not a specifier"], "0.8.5"),
    ],
)
def test_lowest_pin(specifiers: list[str], version: str) -> None:
    pins = [(f"requirements.txt:{line}", _pin(text)) for line, text in enumerate(specifiers, start=1)]
    assert str(detect_source(pins, [], v0_only_signs=False, explicit=None).version) == version


def test_lock_file_comes_before_pins() -> None:
    pins = [("pyproject.toml:3", _pin(">=0.6.6")), ("sub/uv.lock:9", _pin("==0.8.4"))]
    source = detect_source(pins, [], v0_only_signs=False, explicit=None)
    assert (str(source.version), source.origin) == ("0.8.4", "sub/uv.lock:9")


def test_other_packages_do_not_count() -> None:
    assert (
        detect_source([("r.txt:1", _pin("==1.0", "trl"))], [], v0_only_signs=False, explicit=None).origin
        == "assumed"
    )


@pytest.mark.parametrize(
    ("variables", "signs", "engine"),
    [
        ([_use_v1("0")], False, Engine.V0),
        ([_use_v1("1")], True, Engine.V1),
        ([_use_v1("1"), _use_v1("0")], False, Engine.UNKNOWN),
        ([_use_v1("1", action="read")], False, Engine.UNKNOWN),
        ([], True, Engine.V0),
    ],
)
def test_engine(variables: list[Variable], signs: bool, engine: Engine) -> None:
    assert detect_source([], variables, v0_only_signs=signs, explicit=None).engine is engine


def test_from_leaves_the_engine_to_the_code_unless_it_names_one() -> None:
    assert detect_source([], [_use_v1("1")], v0_only_signs=False, explicit="0.8.5").engine is Engine.V1
    assert detect_source([], [_use_v1("1")], v0_only_signs=False, explicit="v0@0.8.5").engine is Engine.V0
