from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vllm_migrate.errors import InputError, UsageError
from vllm_migrate.reward.read import read_any, read_prompts_only, read_samples

if TYPE_CHECKING:
    from pathlib import Path


def written(folder: Path, *rows: dict) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_rows_of_one_prompt_are_one_group_wherever_they_stand(tmp_path: Path):
    path = written(
        tmp_path,
        {"prompt": "a", "completion": "1", "answer": 1},
        {"prompt": "b", "completion": "2", "answer": "2"},
        {"prompt": "a", "completion": "3", "answer": 1},
    )
    found = read_samples(path)
    assert [(s.group, s.completion, s.answer) for s in found] == [(0, "1", "1"), (0, "3", "1"), (1, "2", "2")]
    assert found[0].columns == {"answer": 1}
    assert all(sample.sampled for sample in found)


def test_several_completions_may_stand_in_one_row(tmp_path: Path):
    path = written(
        tmp_path, {"prompt": "a", "responses": ["x", "y"], "response_ids": [[1, 2], [3]], "gold": "x"}
    )
    found = read_samples(path)
    assert [(s.completion, s.token_ids) for s in found] == [("x", (1, 2)), ("y", (3,))]
    assert found[0].columns == {"gold": "x"}


def test_conversations_keep_their_messages_and_turns_are_completions(tmp_path: Path):
    asked = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "1+1?"}]
    turn = [{"role": "assistant", "content": "2"}]
    path = written(tmp_path, {"prompt": asked, "completion": turn}, {"prompt": asked, "completion": "3"})
    first, second = read_samples(path)
    assert (first.prompt, first.completion) == ("Be short.\n\n1+1?", "2")
    assert [message["role"] for message in first.messages] == ["system", "user"]
    assert second.group == first.group == 0


def test_several_turns_of_one_row_are_several_completions(tmp_path: Path):
    turns = [[{"role": "assistant", "content": "2"}], [{"role": "assistant", "content": "3"}]]
    path = written(tmp_path, {"prompt": "1+1?", "completions": turns})
    assert [sample.completion for sample in read_samples(path)] == ["2", "3"]


def test_prompts_of_token_ids_are_told_apart(tmp_path: Path):
    path = written(
        tmp_path, {"prompt_token_ids": [1], "completion": "x"}, {"prompt_token_ids": [2], "completion": "x"}
    )
    assert [sample.group for sample in read_samples(path)] == [0, 1]


def test_the_limit_counts_prompts(tmp_path: Path):
    rows = [{"prompt": str(n % 5), "completion": str(n)} for n in range(20)]
    found = read_any(written(tmp_path, *rows), limit=2)
    assert sorted({sample.prompt for sample in found}) == ["0", "1"]
    assert len(found) == 8


def test_columns_are_found_by_the_names_that_the_user_gives(tmp_path: Path):
    path = written(tmp_path, {"question": "1+1?", "said": "2", "completion": "no", "truth": 2})
    (found,) = read_samples(path, prompt_column="question", completion_column="said", answer_column="truth")
    assert (found.prompt, found.completion, found.answer) == ("1+1?", "2", "2")
    with pytest.raises(UsageError, match="no column 'truht'"):
        read_samples(path, prompt_column="question", answer_column="truht")


def test_rows_without_a_completion_are_refused_with_what_to_do(tmp_path: Path):
    path = written(tmp_path, {"prompt": "a", "answer": "1"})
    with pytest.raises(InputError, match="row 1 has no completion") as refused:
        read_samples(path)
    assert "--prompts" in refused.value.hint
    path = written(tmp_path, {"prompt": "a", "completion": 7})
    with pytest.raises(InputError, match="neither text"):
        read_samples(path)


def test_a_table_of_completions_is_read_and_a_missing_file_is_named(tmp_path: Path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"prompt": ["a", "a"], "completion": ["x", "y"], "answer": ["x", "x"]}), path)
    assert [sample.completion for sample in read_any(path)] == ["x", "y"]
    with pytest.raises(InputError, match=r"nowhere\.parquet"):
        read_any(tmp_path / "nowhere.parquet")


def test_prompts_alone_need_answers(tmp_path: Path):
    path = written(tmp_path, {"prompt": "a", "reward_model": {"ground_truth": 4}}, {"prompt": "b"})
    found = read_prompts_only(path)
    assert [(s.prompt, s.completion, s.answer, s.group, s.sampled) for s in found] == [
        ("a", "", "4", 0, False),
        ("b", "", None, 1, False),
    ]
    with pytest.raises(InputError, match="no prompt has a reference answer"):
        read_prompts_only(written(tmp_path, {"prompt": "a"}))
