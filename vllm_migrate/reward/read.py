"""Where the samples come from: recorded rollouts, or a file of completions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vllm_migrate.audit.prompts.files import read_prompts
from vllm_migrate.errors import InputError, UsageError
from vllm_migrate.reward.sample import Sample
from vllm_migrate.trace.parquet import read_trace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from vllm_migrate.trace.model import Trace

ANSWER_COLUMNS = ("answer", "ground_truth", "solution", "label", "gold", "target", "reference")
COMPLETION_COLUMN = "completion"


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


def read_samples(path: Path, *, answer_column: str = "", limit: int | None = None) -> tuple[Sample, ...]:
    """The samples of a file: a trace, or rows with a prompt and a completion (JSON Lines, Parquet, ...).

    Rows with the same prompt are one group.

    Raises:
        InputError: the file can't be read, or its rows have no completions.
        UsageError: as `answer_of`.
    """
    lines = read_prompts(path, limit=limit)
    groups: dict[str, int] = {}
    found = []
    for number, line in enumerate(lines, 1):
        columns = dict(line.columns)
        completion = columns.pop(COMPLETION_COLUMN, None)
        if not isinstance(completion, str):
            raise InputError(
                f"{path}: row {number} has no text in {COMPLETION_COLUMN!r}",
                hint="give completions to score in that column, or a trace that `vllm-migrate record` made",
            )
        prompt = line.text or ""
        found.append(
            Sample(
                prompt=prompt,
                completion=completion,
                columns=columns,
                group=groups.setdefault(prompt, len(groups)),
                answer=answer_of(columns, answer_column),
                finish_reason=str(columns.get("finish_reason", "")),
            )
        )
    return tuple(sorted(found, key=lambda sample: sample.group))


def read_any(path: Path, *, answer_column: str = "", limit: int | None = None) -> tuple[Sample, ...]:
    """The samples of a trace or of a file of completions, whichever it is."""
    if path.suffix == ".parquet":
        try:
            return from_trace(read_trace(path), answer_column=answer_column)
        except InputError:  # a table of completions, then; what is wrong with it is said below
            pass
    return read_samples(path, answer_column=answer_column, limit=limit)
