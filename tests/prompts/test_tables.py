"""Prompts in tables, conversations, and everything that is refused."""

from __future__ import annotations

import decimal
import json
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vllm_migrate.errors import InputError
from vllm_migrate.prompts.files import PromptLine, read_prompts

ROWS = [{"prompt": "a b", "answer": 3}, {"prompt": "c", "answer": 4}]
CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+1?"}]


def save(directory, rows, *, shards=1):
    """As `Dataset.save_to_disk` writes: Arrow streams, named in state.json."""
    directory.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows)
    names = []
    size = -(-len(rows) // shards)
    for shard in range(shards):
        name = f"data-{shard:05d}-of-{shards:05d}.arrow"
        part = table.slice(shard * size, size)
        with pa.OSFile(str(directory / name), "wb") as sink, pa.ipc.new_stream(sink, part.schema) as writer:
            writer.write_table(part)
        names.append({"filename": name})
    state = {"_data_files": names, "_fingerprint": "0" * 16, "_split": "train"}
    (directory / "state.json").write_text(json.dumps(state))
    (directory / "dataset_info.json").write_text("{}")
    return directory


def parquet(tmp_path, rows, name="prompts.parquet"):
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / name)
    return tmp_path / name


def test_parquet(tmp_path):
    expected = (PromptLine("a b", (), {"answer": 3}), PromptLine("c", (), {"answer": 4}))
    assert read_prompts(parquet(tmp_path, ROWS)) == expected
    assert read_prompts(parquet(tmp_path, ROWS, "no-suffix")) == expected


@pytest.mark.parametrize("shards", [1, 2])
def test_a_saved_data_set_and_its_only_split(tmp_path, shards):
    save(tmp_path / "set" / "train", ROWS, shards=shards)
    (tmp_path / "set" / "train" / "cache-of-an-older-map.arrow").write_bytes(b"left over")
    (tmp_path / "set" / "dataset_dict.json").write_text('{"splits": ["train"]}')
    expected = (PromptLine("a b", (), {"answer": 3}), PromptLine("c", (), {"answer": 4}))
    assert read_prompts(tmp_path / "set" / "train") == expected
    assert read_prompts(tmp_path / "set") == expected


def test_a_directory_of_parquet_files_and_an_arrow_file(tmp_path):
    (tmp_path / "hub").mkdir()
    parquet(tmp_path / "hub", ROWS[:1], "b-0.parquet")
    parquet(tmp_path / "hub", ROWS[1:], "b-1.parquet")
    assert [line.text for line in read_prompts(tmp_path / "hub")] == ["a b", "c"]
    table = pa.Table.from_pylist(ROWS)
    path = tmp_path / "one.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    assert [line.text for line in read_prompts(path)] == ["a b", "c"]


def test_plain_text_is_one_prompt_a_line(tmp_path):
    (tmp_path / "p.txt").write_text('one {"prompt"}\r\n\n  two \n', encoding="utf-8")
    assert [line.text for line in read_prompts(tmp_path / "p.txt")] == ['one {"prompt"}', "  two "]


def test_a_json_array(tmp_path):
    (tmp_path / "p.json").write_text(json.dumps(ROWS, indent=1))
    assert [line.text for line in read_prompts(tmp_path / "p.json")] == ["a b", "c"]
    (tmp_path / "p.json").write_text('[{"prompt": "a"}, 3]')
    with pytest.raises(InputError, match="row 2: not a JSON object"):
        read_prompts(tmp_path / "p.json")


def test_conversations_with_tools(tmp_path):
    call = {"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}
    turns = [
        {"role": "user", "content": [{"type": "text", "text": "1"}, {"type": "text", "text": "+1?"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "2", "name": "add"},
    ]
    tools = [{"type": "function", "function": {"name": "add"}}]
    row = {
        "prompt": turns,
        "tools": json.dumps(tools),
        "chat_template_kwargs": {"enable_thinking": False},
        "x": 1,
    }
    (tmp_path / "p.jsonl").write_text(json.dumps(row))
    (line,) = read_prompts(tmp_path / "p.jsonl")
    assert (line.text, line.token_ids, line.columns) == ("", (), {"x": 1})
    assert line.messages == (
        {"role": "user", "content": "1+1?"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "2", "name": "add"},
    )
    assert line.template_arguments == {"tools": tools, "enable_thinking": False}


def test_a_table_gives_every_message_every_key(tmp_path):
    rows = [{"prompt": [*CHAT, {"role": "tool", "content": "2", "name": "add"}]}]
    (line,) = read_prompts(parquet(tmp_path, rows))
    assert line.messages[0] == CHAT[0]
    assert line.messages[2] == {"role": "tool", "content": "2", "name": "add"}


def test_the_column_can_be_named(tmp_path):
    path = parquet(tmp_path, [{"question": "a", "prompt": "b"}])
    assert read_prompts(path, column="question") == (PromptLine("a", (), {"prompt": "b"}),)
    with pytest.raises(InputError, match='no "query"') as caught:
        read_prompts(path, column="query")
    assert caught.value.hint == "it has prompt, question"


def test_columns_are_kept_as_json_has_them(tmp_path):
    row = {"prompt": "a", "on": date(2026, 1, 2), "sum": decimal.Decimal("1.50"), "in": {"n": [1]}}
    (line,) = read_prompts(parquet(tmp_path, [row]))
    assert line.columns == {"on": "2026-01-02", "sum": 1.5, "in": {"n": [1]}}
    assert json.dumps(line.columns)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"prompt": "a", "images": ["x.png"]}, "multimodal prompts are not supported"),
        ({"prompt": "a", "image": {"bytes": "", "path": "x.png"}}, "multimodal prompts are not supported"),
        (
            {"prompt": [{"role": "user", "content": [{"type": "image_url", "image_url": "u"}]}]},
            "multimodal prompts are not supported",
        ),
        ({"prompt": [{"role": "robot", "content": "a"}]}, "no known role: 'robot'"),
        ({"prompt": [{"role": "user", "content": 3}]}, "content is no text"),
        ({"messages": [*CHAT, {"role": "assistant", "content": "2"}]}, "ends with the assistant's turn"),
        ({"prompt": CHAT, "tools": "not json"}, "is text, and no JSON"),
        ({"prompt": CHAT, "tools": "{}"}, "tools is no list"),
        ({"prompt": CHAT, "chat_template_kwargs": "[1]"}, "is no object"),
        ({"prompt_token_ids": [1, -2]}, "other than token ids"),
    ],
)
def test_what_is_not_supported_is_refused_with_its_place(tmp_path, row, says):
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps({"prompt": "fine"}) + "\n" + json.dumps(row) + "\n")
    with pytest.raises(InputError, match=says) as caught:
        read_prompts(path)
    assert f"{path}:2" in caught.value.message
    assert "\n" not in caught.value.message


def test_bytes_are_refused(tmp_path):
    with pytest.raises(InputError, match="row 1: blob holds bytes"):
        read_prompts(parquet(tmp_path, [{"prompt": "a", "blob": b"\x00"}]))


def test_data_sets_that_can_not_be_read_say_why(tmp_path):
    save(tmp_path / "set" / "train", ROWS)
    save(tmp_path / "set" / "test", ROWS)
    (tmp_path / "set" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with pytest.raises(InputError, match="several splits: train, test"):
        read_prompts(tmp_path / "set")
    state = tmp_path / "set" / "train" / "state.json"
    whole = json.loads(state.read_text())
    for changed, says in (
        ({**whole, "_indices_files": [{"filename": "i.arrow"}]}, "index file"),
        ({**whole, "_data_files": [{"filename": "../../p.arrow"}]}, "which is not there"),
        ({**whole, "_data_files": []}, "names no data files"),
    ):
        state.write_text(json.dumps(changed))
        with pytest.raises(InputError, match=says):
            read_prompts(tmp_path / "set" / "train")
    state.write_text("{")
    with pytest.raises(InputError, match="no readable JSON"):
        read_prompts(tmp_path / "set" / "train")


@pytest.mark.parametrize("name", ["p.parquet", "p.arrow"])
def test_a_damaged_table_is_one_line(tmp_path, name):
    (tmp_path / name).write_bytes(b"PAR1 nothing of the kind" if name == "p.parquet" else b"\xff" * 40)
    with pytest.raises(InputError, match="neither Parquet nor Arrow") as caught:
        read_prompts(tmp_path / name)
    assert "\n" not in caught.value.message
