"""Traces as Parquet: one row a rollout, prompts and provenance as JSON in the schema's metadata.

The layout is part of the schema id. A reader that meets another id refuses the file rather than guess.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vllm_migrate.errors import InputError
from vllm_migrate.trace.model import SCHEMA, Prompt, Provenance, Rollout, Trace

if TYPE_CHECKING:
    import pyarrow as pa

MAIN, PROBE, FREE, GREEDY = "main", "probe", "free", "greedy"  # which part of the trace a row belongs to
_EXTRA = ("raw", "trainer", "trainer_raw")
_LONGEST_METADATA = 2**31 - 1  # bytes; Arrow's own limit of 100 MB would refuse many long prompts
_SCHEMA_KEY = b"vllm-migrate.schema"
_PROVENANCE_KEY = b"vllm-migrate.provenance"
_PROMPTS_KEY = b"vllm-migrate.prompts"


_RECORD_AGAIN = f"this version reads {SCHEMA}; record the reference again"


class NoTraceError(InputError):
    """A Parquet file that holds no trace."""


def write_trace(trace: Trace, path: Path) -> None:
    """Write a trace; the file appears whole or not at all.

    Raises:
        InputError: the file can't be written, or a column of a prompt is not plain JSON.
        ValueError: the noise floor does not align with the rollouts.
    """
    import pyarrow as pa  # noqa: PLC0415 - tens of milliseconds that only traces need
    import pyarrow.parquet as pq  # noqa: PLC0415 - same

    for floor, rollouts in ((trace.noise_floor, trace.rollouts), (trace.probe_noise_floor, trace.probe)):
        if floor and len(floor) != len(rollouts):
            raise ValueError("the noise floor does not align with the rollouts")
    try:
        metadata = {
            _SCHEMA_KEY: SCHEMA.encode(),
            _PROVENANCE_KEY: json.dumps(asdict(trace.provenance)).encode(),
            _PROMPTS_KEY: json.dumps([asdict(prompt) for prompt in trace.prompts]).encode(),
        }
    except (TypeError, ValueError) as error:
        raise InputError(f"can't write a trace: {error}") from None
    parts = ((MAIN, trace.rollouts), (PROBE, trace.probe), (FREE, trace.free), (GREEDY, trace.greedy))
    rows = [rollout for _, rollouts in parts for rollout in rollouts]
    profiles = [profile for profile, rollouts in parts for _ in rollouts]
    floors: tuple[tuple[float, ...] | None, ...] = (
        *(trace.noise_floor or (None,) * len(trace.rollouts)),
        *(trace.probe_noise_floor or (None,) * len(trace.probe)),
        *((None,) * (len(trace.free) + len(trace.greedy))),
    )
    table = pa.table(
        {
            "profile": pa.array(profiles, pa.string()),
            "prompt": pa.array([r.prompt for r in rows], pa.int64()),
            "sample": pa.array([r.sample for r in rows], pa.int64()),
            "token_ids": pa.array([r.token_ids for r in rows], pa.list_(pa.int64())),
            "logprobs": pa.array([r.logprobs for r in rows], pa.list_(pa.float64())),
            "noise_floor": pa.array(floors, pa.list_(pa.float64())),
            "text": pa.array([r.text for r in rows], pa.string()),
            "finish_reason": pa.array([r.finish_reason for r in rows], pa.string()),
            "reward": pa.array([r.reward for r in rows], pa.float64(), from_pandas=False),
            "top_ids": pa.array([r.top_ids for r in rows], pa.list_(pa.list_(pa.int64()))),
            "top_logprobs": pa.array([r.top_logprobs for r in rows], pa.list_(pa.list_(pa.float64()))),
            **{name: pa.array([getattr(r, name) for r in rows], pa.list_(pa.float64())) for name in _EXTRA},
        }
    ).replace_schema_metadata(metadata)
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(descriptor)
        try:
            pq.write_table(table, temporary, compression="zstd")
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(f"can't write {path}: {error.strerror or error}") from None


def read_trace(path: Path) -> Trace:
    """Read what `write_trace` wrote.

    Raises:
        NoTraceError: it is a Parquet file of something else.
        InputError: the file is missing, damaged, of another schema, or contradicts itself.
    """
    import pyarrow as pa  # noqa: PLC0415 - tens of milliseconds that only traces need
    import pyarrow.parquet as pq  # noqa: PLC0415 - same

    if not path.is_file():
        raise InputError(f"no trace at {path}")
    try:
        table = pq.read_table(path, thrift_string_size_limit=_LONGEST_METADATA)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path} is not a readable Parquet file: {_first_line(error)}") from None
    metadata = table.schema.metadata or {}
    schema = metadata.get(_SCHEMA_KEY, b"").decode("utf-8", "replace")
    if not schema:
        raise NoTraceError(f"{path} is no trace of this tool", hint=_RECORD_AGAIN)
    if schema != SCHEMA:
        raise InputError(f"{path} is a trace of schema {schema}", hint=_RECORD_AGAIN)
    try:
        trace = _assemble(table, metadata)
        _check(trace)
    except (KeyError, TypeError, ValueError, AttributeError, pa.ArrowException) as error:
        raise InputError(f"{path} is a damaged trace: {_first_line(error)}") from None
    return trace


def _assemble(table: pa.Table, metadata: dict[bytes, bytes]) -> Trace:
    columns: dict[str, list[Any]] = {name: table.column(name).to_pylist() for name in table.column_names}
    prompts = tuple(
        Prompt(**{**row, "token_ids": tuple(row["token_ids"]), "messages": tuple(row.get("messages", ()))})
        for row in json.loads(metadata[_PROMPTS_KEY])
    )
    provenance = Provenance(**json.loads(metadata[_PROVENANCE_KEY]))
    rollouts, noise_floor = _profile(columns, MAIN)
    probe, probe_noise_floor = _profile(columns, PROBE)
    free, _ = _profile(columns, FREE)
    greedy, _ = _profile(columns, GREEDY)
    if len(rollouts) + len(probe) + len(free) + len(greedy) != table.num_rows:
        raise ValueError("a row of an unknown profile")
    return Trace(provenance, prompts, rollouts, noise_floor, probe, probe_noise_floor, free, greedy)


def _profile(
    columns: dict[str, list[Any]], profile: str
) -> tuple[tuple[Rollout, ...], tuple[tuple[float, ...], ...]]:
    """The rollouts of one profile and their noise floor, empty where any of it is missing."""
    chosen = [i for i, name in enumerate(columns["profile"]) if name == profile]
    nothing: list[Any] = [()] * len(columns["profile"])
    top_ids, top_logprobs = columns.get("top_ids", nothing), columns.get("top_logprobs", nothing)
    rollouts = tuple(
        Rollout(
            prompt=columns["prompt"][i],
            sample=columns["sample"][i],
            token_ids=tuple(columns["token_ids"][i]),
            logprobs=tuple(columns["logprobs"][i]),
            text=columns["text"][i],
            finish_reason=columns["finish_reason"][i],
            reward=columns["reward"][i],
            top_ids=tuple(tuple(ids) for ids in top_ids[i] or ()),
            top_logprobs=tuple(tuple(logprobs) for logprobs in top_logprobs[i] or ()),
            **{name: tuple(columns.get(name, nothing)[i] or ()) for name in _EXTRA},
        )
        for i in chosen
    )
    floors = [columns["noise_floor"][i] for i in chosen]
    complete = bool(floors) and all(row is not None for row in floors)
    return rollouts, tuple(tuple(row) for row in floors) if complete else ()


def _check(trace: Trace) -> None:
    """Whether the parts of a trace agree.

    Raises:
        ValueError: they don't.
    """
    known = {prompt.id for prompt in trace.prompts}
    parts = (
        (trace.rollouts, trace.noise_floor),
        (trace.probe, trace.probe_noise_floor),
        (trace.free, ()),
        (trace.greedy, ()),
    )
    for rollouts, floor in parts:
        for index, rollout in enumerate(rollouts):
            tokens = len(rollout.token_ids)
            if rollout.prompt not in known:
                raise ValueError(f"rollout {index} is of prompt {rollout.prompt}, which is not there")
            if tokens != len(rollout.logprobs):
                raise ValueError(f"rollout {index} has {tokens} tokens and {len(rollout.logprobs)} logprobs")
            if not len(rollout.top_ids) == len(rollout.top_logprobs) in (0, tokens):
                raise ValueError(f"rollout {index} has the most likely tokens of some positions only")
            for name in _EXTRA:
                if len(getattr(rollout, name)) not in (0, tokens):
                    raise ValueError(f"rollout {index} has {name} logprobs of some tokens only")
            if any(math.isnan(value) for value in rollout.logprobs):
                raise ValueError(f"rollout {index} has a logprob that is not a number")
            if floor and len(floor[index]) != tokens:
                raise ValueError(f"the noise floor of rollout {index} has {len(floor[index])} values")


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
