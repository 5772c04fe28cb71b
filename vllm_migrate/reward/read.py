"""Where the samples come from: recorded rollouts, or a file of completions."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vllm_migrate.errors import InputError, UsageError
from vllm_migrate.prompts.files import read_prompts
from vllm_migrate.reward.sample import Sample
from vllm_migrate.trace.parquet import NoTraceError, read_trace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from vllm_migrate.prompts.files import PromptLine
    from vllm_migrate.trace.model import Trace

ANSWER_COLUMNS = ("answer", "ground_truth", "solution", "label", "gold", "target", "reference")
COMPLETION_COLUMNS = ("completion", "completions", "response", "responses", "output", "outputs", "generation")
IDS_COLUMNS = ("completion_ids", "completion_token_ids", "response_ids")


def answer_of(columns: Mapping[str, Any], column: str = "") -> str | None:
    """The reference answer among a prompt's columns.

    Args:
        columns: of the prompt; verl's `reward_model.ground_truth` is looked into.
        column: its name, "" for the usual ones.

    Raises:
        UsageError: the named column is not there.
    """
    if column:
        if column not in columns:
            raise UsageError(
                f"there is no column {column!r} beside the prompts", hint=f"columns: {', '.join(columns)}"
            )
        return _text(columns[column])
    for name in ANSWER_COLUMNS:
        if name in columns:
            return _text(columns[name])
    nested = columns.get("reward_model")
    return _text(nested["ground_truth"]) if isinstance(nested, dict) and "ground_truth" in nested else None


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def from_trace(trace: Trace, *, answer_column: str = "") -> tuple[Sample, ...]:
    """The rollouts of a recorded trace.

    Raises:
        InputError: its texts were taken out.
        UsageError: as `answer_of`.
    """
    if trace.provenance.redacted:
        raise InputError("the trace is redacted, it holds no texts to score")
    order = sorted(trace.rollouts, key=lambda rollout: (rollout.prompt, rollout.sample))
    return tuple(
        Sample(
            prompt=trace.prompts[rollout.prompt].text,
            completion=rollout.text,
            columns=trace.prompts[rollout.prompt].columns,
            group=rollout.prompt,
            answer=answer_of(trace.prompts[rollout.prompt].columns, answer_column),
            token_ids=rollout.token_ids,
            finish_reason=rollout.finish_reason,
            messages=trace.prompts[rollout.prompt].messages,
        )
        for rollout in order
    )


def read_samples(
    path: Path,
    *,
    prompt_column: str = "",
    completion_column: str = "",
    answer_column: str = "",
    limit: int | None = None,
) -> tuple[Sample, ...]:
    """The samples of a file of rows with a prompt and its completion, or a list of its completions.

    Rows with the same prompt are one group. A completion is text, or the messages of an assistant's turn.

    Args:
        path: JSON Lines, JSON, Parquet, Arrow, or a saved data set's directory.
        prompt_column: "" for `prompt`, `prompt_token_ids` or `messages`.
        completion_column: "" for the first of `COMPLETION_COLUMNS` that is there.
        answer_column: "" for the first of `ANSWER_COLUMNS` that is there.
        limit: of the prompts; the first ones.

    Raises:
        InputError: the file can't be read, or its rows have no completions.
        UsageError: a named column is not there.
    """
    groups: dict[str, int] = {}
    found = []
    for number, line in enumerate(read_prompts(path, column=prompt_column), 1):
        columns = dict(line.columns)
        texts = _completions(columns, completion_column, f"{path}: row {number}")
        ids = [_ids(columns.pop(name, None), len(texts)) for name in IDS_COLUMNS]
        key = json.dumps([line.text, line.token_ids, line.messages], sort_keys=True, default=str)
        if key not in groups and len(groups) == limit:
            continue
        sample = _prompt_sample(line, groups.setdefault(key, len(groups)), answer_column)
        found += [
            replace(sample, completion=text, columns=columns, token_ids=given, sampled=True)
            for text, given in zip(texts, next(filter(None, ids), [()] * len(texts)), strict=True)
        ]
    return tuple(sorted(found, key=lambda sample: sample.group))


def read_prompts_only(
    path: Path, *, prompt_column: str = "", answer_column: str = "", limit: int | None = None
) -> tuple[Sample, ...]:
    """One sample a prompt, with its answer and without a completion.

    Raises:
        InputError: the file can't be read, or no prompt has a reference answer.
        UsageError: the named column is not there.
    """
    lines = read_prompts(path, column=prompt_column, limit=limit)
    found = tuple(_prompt_sample(line, group, answer_column) for group, line in enumerate(lines))
    if all(sample.answer is None for sample in found):
        raise InputError(
            f"{path}: no prompt has a reference answer to make completions from",
            hint=f"name its column with --answer-column; looked for: {', '.join(ANSWER_COLUMNS)}",
        )
    return found


def _prompt_sample(line: PromptLine, group: int, answer_column: str) -> Sample:
    """A prompt without its completion; a conversation's text is what its turns say."""
    said = "\n\n".join(str(message["content"]) for message in line.messages)
    return Sample(
        prompt=line.text or said,
        completion="",
        columns=dict(line.columns),
        group=group,
        answer=answer_of(line.columns, answer_column),
        finish_reason=str(line.columns.get("finish_reason") or ""),
        messages=line.messages,
        sampled=False,
    )


def _completions(columns: dict[str, Any], column: str, where: str) -> list[str]:
    """The completions of a row, taken out of its columns."""
    name = column or next((name for name in COMPLETION_COLUMNS if name in columns), "")
    if name not in columns:
        wanted = repr(column) if column else ", ".join(map(repr, COMPLETION_COLUMNS[:3]))
        raise InputError(
            f"{where} has no completion: looked for {wanted}",
            hint="name the column with --completion-column, or give --prompts to have completions made "
            "from the answers",
        )
    value = columns.pop(name)
    text = _completion(value)
    if text is not None:
        return [text]
    if isinstance(value, list) and value:
        texts = [_completion(item) for item in value]
        known = [text for text in texts if text is not None]
        if len(known) == len(texts):
            return known
    raise InputError(f"{where}: {name!r} is neither text nor an assistant's turn nor a list of such")


def _completion(value: object) -> str | None:
    """Text as it is, the content of an assistant's turn; None of anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(m, dict) and "role" in m for m in value):
        return "\n".join(str(message.get("content") or "") for message in value)
    return None


def _ids(value: object, count: int) -> list[tuple[int, ...]]:
    """Token ids of a row's completions; nothing where there are none, or not as many."""
    rows: list[Any] = value if isinstance(value, list) and value and isinstance(value[0], list) else [value]
    if len(rows) != count or not all(
        isinstance(row, list) and row and all(isinstance(token, int) for token in row) for row in rows
    ):
        return []
    return [tuple(row) for row in rows]


def read_any(
    path: Path,
    *,
    prompt_column: str = "",
    completion_column: str = "",
    answer_column: str = "",
    limit: int | None = None,
) -> tuple[Sample, ...]:
    """The samples of a trace or of a file of completions, whichever it is; arguments as in `read_samples`."""
    if path.suffix == ".parquet":
        try:
            trace = read_trace(path)
        except NoTraceError:
            pass  # a table of completions, then
        else:
            found = from_trace(trace, answer_column=answer_column)
            kept = sorted({sample.group for sample in found})[:limit]
            return tuple(sample for sample in found if sample.group in kept)
    return read_samples(
        path,
        prompt_column=prompt_column,
        completion_column=completion_column,
        answer_column=answer_column,
        limit=limit,
    )
