from __future__ import annotations

import json

import pytest

from vllm_migrate.errors import InputError
from vllm_migrate.prompts.files import read_prompts


def write(tmp_path, text):
    path = tmp_path / "prompts.jsonl"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_text_token_ids_and_columns(tmp_path):
    rows = [{"prompt": "a b", "answer": 3}, {"prompt": {"prompt_token_ids": [1, 2]}, "answer": None}]
    path = write(tmp_path, "\n".join(json.dumps(row) for row in rows) + "\n\n")
    first, second = read_prompts(path)
    assert (first.text, first.token_ids, first.columns) == ("a b", (), {"answer": 3})
    assert (second.text, second.token_ids, second.columns) == ("", (1, 2), {"answer": None})


def test_a_byte_order_mark_and_line_separators_inside_text(tmp_path):
    path = write(tmp_path, "\ufeff" + json.dumps({"prompt": "one\u2028two"}, ensure_ascii=False) + "\r\n")
    assert read_prompts(path)[0].text == "one\u2028two"


def test_limit_stops_before_later_lines(tmp_path):
    path = write(tmp_path, '{"prompt": "a"}\n{"prompt": "b"}\nnot json\n')
    assert len(read_prompts(path, limit=2)) == 2


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_no_prompts(tmp_path, text):
    with pytest.raises(InputError, match="holds no prompts"):
        read_prompts(write(tmp_path, text))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        ('{"text": "x"}', 'no "prompt"'),
        ('{"prompt": 3}', "neither text nor token ids"),
        ('{"prompt": ""}', "is empty"),
        ('{"prompt": [{"role": "user"}]}', "message 0 is empty"),
        ('{"prompt": []}', "neither text nor token ids"),
        ('{"prompt": {"ids": [1]}}', "missing or empty"),
        ('{"prompt": {"prompt_token_ids": []}}', "missing or empty"),
        ('{"prompt": {"prompt_token_ids": [1, -2]}}', "other than token ids"),
        ('{"prompt": {"prompt_token_ids": [true]}}', "other than token ids"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_bad_lines_name_themselves(tmp_path, line, says):
    path = write(tmp_path, '{"prompt": "fine"}\n' + line + "\n")
    with pytest.raises(InputError, match=says) as caught:
        read_prompts(path)
    assert f"{path}:2:" in caught.value.message
    assert "\n" not in caught.value.message


def test_not_utf8_and_not_there(tmp_path):
    with pytest.raises(InputError, match="not UTF-8"):
        read_prompts(write(tmp_path, b'{"prompt": "\xff"}'))
    with pytest.raises(InputError, match="can't read"):
        read_prompts(tmp_path / "absent.jsonl")
    with pytest.raises(InputError, match="is no data set"):
        read_prompts(tmp_path)
