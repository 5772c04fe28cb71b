"""Reads the candidate's engine arguments out of the user's own code. Nothing of it is run.

Only what is written as a literal is taken. What the code computes is named and left out; so is what only
concerns where the code runs (paths, parallelism, workers), and what the target version refuses, which
would crash it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from vllm_migrate.engines import registry
from vllm_migrate.engines.catalogue import parse_spec
from vllm_migrate.errors import FactsError, InputError, UsageError
from vllm_migrate.facts.loader import load_facts
from vllm_migrate.facts.model import Engine, Source, Subject, Target
from vllm_migrate.facts.surface.store import load_surface
from vllm_migrate.files.located import UNRESOLVED, Call
from vllm_migrate.resolve.python import read_python

if TYPE_CHECKING:
    from vllm_migrate.files.located import FileFacts

_ENGINES = {"LLM", "EngineArgs", "AsyncEngineArgs"}
_FIELDS = "vllm.engine.arg_utils.EngineArgs"
_V0 = Version("0.8.5")

# Where the code runs and what it loads, which the audit decides; none of it changes what a logprob means.
# load_format is among them because RL code starts engines on dummy weights and pushes the real ones in.
_PLACE = frozenset(
    {
        "data_parallel_size",
        "device",
        "distributed_executor_backend",
        "download_dir",
        "enable_sleep_mode",
        "hf_token",
        "load_format",
        "model",
        "model_impl",
        "model_weights",
        "pipeline_parallel_size",
        "revision",
        "served_model_name",
        "skip_tokenizer_init",
        "tensor_parallel_size",
        "tokenizer",
        "tokenizer_mode",
        "tokenizer_revision",
        "worker_cls",
        "worker_extension_cls",
    }
)


@dataclass(frozen=True, slots=True)
class Taken:
    """What was found.

    Attributes:
        arguments: for the candidate.
        shown: what was taken and what was left to the audit, with lines.
        warnings: one line for each reason why arguments were left out though they may matter.
    """

    arguments: dict[str, Any]
    shown: tuple[str, ...]
    warnings: tuple[str, ...]


def read_arguments(place: str, v1: str) -> Taken:
    """The engine arguments written at `FILE[:LINE]`.

    Args:
        place: a Python file, and the line the construction starts at or spans where the file has several.
        v1: the candidate engine, whose version decides what is refused.

    Raises:
        UsageError: no engine is constructed there, or several are and no line was given.
        InputError: the file can't be read.
    """
    path, line = _split(place)
    try:
        source = path.read_bytes()
    except OSError as error:
        raise InputError(f"can't read {path}: {error.strerror or error}") from None
    target = Target("vllm", Version(_version_of(v1)))
    facts = read_python(PurePosixPath(path.name), source, target=target)
    call = _choose(facts, path, line)
    return _take(facts, call, path, target)


def _split(place: str) -> tuple[Path, int | None]:
    match = re.fullmatch(r"(.+):(\d+)", place)
    if match and not Path(place).exists():
        return Path(match[1]), int(match[2])
    return Path(place), None


def _version_of(v1: str) -> str:
    engine = registry.find(v1)
    return engine.version if engine is not None else parse_spec(v1).version


def _choose(facts: FileFacts, path: Path, line: int | None) -> Call:
    found = [
        call
        for call in facts.calls
        if call.target.startswith("vllm.") and call.target.rpartition(".")[2] in _ENGINES and not call.dead
    ]
    if not found:
        raise UsageError(f"{path} constructs no vLLM engine", hint="name the file that calls LLM(...)")
    if line is None:
        if len(found) > 1:
            lines = ", ".join(str(_line(facts, call.span.start)) for call in found)
            raise UsageError(f"{path} constructs {len(found)} engines, at lines {lines}", hint="add :LINE")
        return found[0]
    for call in found:
        if _line(facts, call.span.start) <= line <= _line(facts, call.span.end):
            return call
    lines = ", ".join(str(_line(facts, call.span.start)) for call in found)
    raise UsageError(f"{path}:{line} constructs no vLLM engine; lines {lines} do")


def _take(facts: FileFacts, call: Call, path: Path, target: Target) -> Taken:
    arguments: dict[str, Any] = {}
    taken: list[str] = []
    placed: list[str] = []
    refused: list[str] = []
    computed: list[str] = []
    for argument in call.arguments:
        name = argument.name
        line = _line(facts, argument.span.start)
        written = f"{name}={_short(argument.value.source)} (line {line})"
        if name in _PLACE:
            placed.append(written)
        elif _refused(name, target):
            refused.append(written)
        elif argument.value.literal is UNRESOLVED:
            computed.append(written)
        else:
            arguments[name] = argument.value.literal
            taken.append(f"{name}={argument.value.literal!r} (line {line})")
    shown = [
        f"took from {path.name}: {', '.join(taken) or 'nothing, so the candidate is V1 at its defaults'}"
    ]
    if placed:
        shown.append(f"left to the audit: {', '.join(placed)}")
    warnings: list[str] = []
    if refused:
        warnings.append(
            f"vLLM {target.version} would refuse these arguments of {path.name}, so they were left out:"
            f" {', '.join(refused)}; `vllm-migrate check` says what to do"
        )
    if computed:
        warnings.append(
            f"{path.name} computes these arguments, so they were left out: {', '.join(computed)};"
            " --v1-args can give them"
        )
    if call.open_ended:
        where = f"{path.name}:{_line(facts, call.span.start)}"
        warnings.append(
            f"the ** of the call at {where} could not be followed; --v1-args can give what it holds"
        )
    return Taken(arguments, tuple(shown), tuple(warnings))


def _refused(name: str, target: Target) -> bool:
    """Whether the target does not take an engine argument."""
    change = load_facts().change(Subject.ENGINE_ARGUMENT, name, Source("vllm", _V0, Engine.V0, ""), target)
    if change is not None and (change.after is None or change.after.holds == "gone"):
        return True
    try:
        known = load_surface("vllm", str(target.version)).parameters(_FIELDS)
    except FactsError:
        known = None
    return known is not None and name not in known


def _line(facts: FileFacts, offset: int) -> int:
    return facts.source.count(b"\n", 0, offset) + 1


def _short(text: str) -> str:
    first = text.strip().splitlines()[0] if text.strip() else ""
    return first if len(first) <= 60 and first == text.strip() else first[:57] + "..."  # noqa: PLR2004 - a line's room
